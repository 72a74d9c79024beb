/** Finds every text in Block Kit and says whether Slack may format, link or mention in it. */
export interface FoundText {
  readonly text: string
  /** True: mrkdwn, or plain_text in which :emoji: becomes a picture, or a link. */
  readonly formats: boolean
  readonly where: string
}

export function textsOf(value: unknown, where = ''): FoundText[] {
  if (Array.isArray(value)) return value.flatMap((one, at) => textsOf(one, `${where}/${at}`))
  if (typeof value !== 'object' || value === null) return []
  const node = value as Record<string, unknown>
  const own: FoundText[] = typeof node.text === 'string' ? [{ text: node.text, formats: formats(node), where }] : []
  const links = typeof node.url === 'string' ? [{ text: node.url, formats: true, where: `${where}/url` }] : []
  return [...own, ...links, ...Object.entries(node).flatMap(([key, inner]) => textsOf(inner, `${where}/${key}`))]
}

function formats(node: Record<string, unknown>): boolean {
  if (node.type === 'plain_text') return node.emoji !== false
  return node.type !== 'text'
}
