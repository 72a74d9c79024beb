/** Drives the playground as a person does, and leaves pictures of each step to look at. Rejects where a step isn't there. */
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { ACCESS_DIALOG } from '../../bots/teams/access-dialog.ts'
import { startBrowser } from '../support/browser.ts'
import { until } from '../support/until.ts'

/** The playground paints what arrived within a second or two; a machine under load takes longer. */
const STEP_MS = 20_000

export async function drive(url: string, directory: string, answers: readonly string[]): Promise<void> {
  await mkdir(directory, { recursive: true })
  const browser = await startBrowser()
  const page = await browser.newPage({ viewport: { width: 1400, height: 1300 } })
  page.setDefaultTimeout(STEP_MS)
  let count = 0
  const picture = async (name: string) => {
    count += 1
    await page.screenshot({ path: path.join(directory, `${count}-${name}.png`) })
  }
  try {
    await page.goto(url)
    // It tells the gateway of its personal talk first; a channel that is chosen before stays empty.
    await page.getByText('conversationUpdate 200').nth(0).waitFor()
    await page.getByText('Approvals', { exact: true }).first().click()
    await page.getByText('note-1.txt').first().waitFor()
    await approve(page, picture, answers)
    await deny(page, picture, answers)
    await askForAccess(page, picture)
    await freeze(page, picture)
  } catch (error) {
    await picture('where-it-stopped')
    throw error
  } finally {
    await browser.close()
  }
}

type Picture = (name: string) => Promise<void>

async function approve(page: Page, picture: Picture, answers: readonly string[]): Promise<void> {
  await picture('asked')
  await page.getByRole('button', { name: 'Approve', exact: true }).last().click()
  await until('the first call is answered', () => answers.length === 1)
  await page
    .getByText(/Approved by/)
    .first()
    .waitFor()
  await picture('approved')
}

async function deny(page: Page, picture: Picture, answers: readonly string[]): Promise<void> {
  await page.getByText('note-2.txt').first().waitFor()
  await page.getByRole('button', { name: 'Deny, saying why' }).last().click()
  await page.getByLabel('Reason (the agent is told)').fill('Not today: ask Carol')
  await picture('why')
  await page.getByRole('button', { name: 'Deny', exact: true }).last().click()
  await until('the second call is answered', () => answers.length === 2)
  if (!answers[1]?.includes('Not today: ask Carol')) throw new Error(`the agent heard: ${answers[1]}`)
  await page
    .getByText(/Denied by/)
    .first()
    .waitFor()
  await picture('denied')
  // The next one is what home lists.
  await page.getByText('note-3.txt').first().waitFor()
}

/** The playground can't open a dialog from a card’s button; the compose action’s it can. */
async function askForAccess(page: Page, picture: Picture): Promise<void> {
  await page.getByRole('treeitem', { name: 'Personal Chat' }).click()
  await write(page, 'home')
  await page.getByText('Waits for you (1)').first().waitFor()
  await picture('home')
  await page.getByRole('button', { name: 'Trigger Message Extension App' }).last().click()
  await page.getByRole('menuitem', { name: 'Action Command' }).click()
  await page.getByRole('textbox', { name: 'Command ID' }).fill(ACCESS_DIALOG)
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('write_file:').first().click()
  await page.getByRole('textbox', { name: 'What for' }).fill('Migrating the archive')
  await picture('asking')
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  await page.getByRole('dialog').getByRole('textbox', { name: 'What for' }).waitFor({ state: 'hidden' })
  await picture('access-asked')
  // It draws nothing of a dialog’s last sentence, and leaves it to be closed.
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).first().click()
  await page.getByRole('treeitem', { name: 'Operations - Approvals' }).click()
  await page.getByText('Migrating the archive').first().waitFor()
  await picture('access-card')
}

async function write(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox').last().fill(text)
  await page.keyboard.press('Enter')
}

async function freeze(page: Page, picture: Picture): Promise<void> {
  await page.getByRole('treeitem', { name: 'Personal Chat' }).click()
  await write(page, 'freeze files Look at *this*')
  await page.getByText('has stopped every call to').first().waitFor()
  await write(page, 'status')
  await page.getByText('Frozen now:').first().waitFor()
  await picture('frozen')
}
