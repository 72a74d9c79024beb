/**
 * Presses the button, for a person who is really looking: a page that the browser only prerenders (from the address
 * bar's guess) must not use up the code.
 */
const form = /** @type {HTMLFormElement} */ (document.getElementById('open'))
const submit = () => form.submit()

if ('prerendering' in document && document.prerendering) {
  document.addEventListener('prerenderingchange', submit, { once: true })
} else submit()

export {}
