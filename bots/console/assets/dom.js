/**
 * The only place where the page makes elements. Data enters as text nodes and as values of the few attributes below;
 * nothing here parses markup, so what an agent wrote stays what it wrote.
 */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {{ class?: string, id?: string, type?: string, title?: string, for?: string, datetime?: string, tabindex?: string, role?: string, placeholder?: string, maxlength?: string, autocomplete?: string, name?: string, 'aria-label'?: string, 'aria-labelledby'?: string, 'aria-live'?: string }} [attributes]
 * @param {(Node | string | null)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children.filter((child) => child !== null))
  return element
}

/** @param {string} id */
export function byId(id) {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`the page has no #${id}`)
  return element
}

/** Shows text, or hides the element where there is none. Unchanged text is left alone: it would be read out again. */
/** @param {HTMLElement} element @param {string | null} text */
export function say(element, text) {
  if (element.textContent !== (text ?? '')) element.textContent = text ?? ''
  element.hidden = text === null || text === ''
}

/** @param {number} at */
export function timeElement(at) {
  const date = new Date(at)
  const today = new Date().toDateString() === date.toDateString()
  const time = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
  const text = today ? time : `${date.toLocaleDateString()} ${time}`
  return el('time', { datetime: date.toISOString(), title: date.toString() }, text)
}

/** `4:07 left`; hours where there are any. Null: it has passed. */
/** @param {number} ms */
export function timeLeft(ms) {
  if (ms <= 0) return null
  const seconds = Math.ceil(ms / 1000)
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60]
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0')
  if (hours >= 48) return `${Math.floor(hours / 24)} days left`
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)} left` : `${minutes}:${two(rest)} left`
}
