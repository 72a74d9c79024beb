/**
 * What the step-up pages need a script for: a passkey signs what the form carries, and times are the reader's own.
 *
 * Each form says what it wants: `data-get` an assertion, `data-create` a new passkey. One tap each, because a browser may
 * refuse a second dialogue without one. The form goes off once: the second tap of a double tap would find it decided.
 */
const told = document.getElementById('told')

for (const time of document.querySelectorAll('time')) {
  const date = new Date(time.dateTime)
  const isToday = new Date().toDateString() === date.toDateString()
  const clock = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
  time.textContent = isToday ? clock : `${date.toLocaleDateString()} ${clock}`
  time.title = date.toString()
}

for (const form of document.forms) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.sent === 'true') event.preventDefault()
    const wanted = wantedOf(form)
    if (wanted === null) {
      form.dataset.sent = 'true'
      return
    }
    event.preventDefault()
    if (form.dataset.busy !== 'true') void satisfy(form, wanted)
  })
}

/** @param {HTMLFormElement} form @returns {'get' | 'create' | null} */
function wantedOf(form) {
  if (form.dataset.get !== undefined && fieldOf(form, 'assertion').value === '') return 'get'
  if (form.dataset.create !== undefined && fieldOf(form, 'registration').value === '') return 'create'
  return null
}

/** @param {HTMLFormElement} form @param {'get' | 'create'} wanted */
async function satisfy(form, wanted) {
  form.dataset.busy = 'true'
  say('')
  try {
    if (wanted === 'get') fieldOf(form, 'assertion').value = JSON.stringify(await assert(form.dataset.get ?? ''))
    else fieldOf(form, 'registration').value = JSON.stringify(await register(form.dataset.create ?? ''))
    if (wantedOf(form) === 'create') {
      say('Confirmed. Now add the new one.')
      const button = form.querySelector('button')
      if (button !== null) button.textContent = 'Add the new passkey'
    } else {
      form.dataset.sent = 'true'
      form.submit()
    }
  } catch (error) {
    const name = error instanceof Error ? error.name : ''
    say(
      name === 'InvalidStateError'
        ? 'This device has a passkey of yours already. Use another device or security key.'
        : 'No passkey was used, and nothing was sent. Try again.',
    )
  }
  form.dataset.busy = 'false'
}

/** @param {string} json */
async function assert(json) {
  const options = JSON.parse(json)
  const credential = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: bytesOf(options.challenge),
      allowCredentials: options.allowCredentials.map(withBytes),
    },
  })
  const { id, rawId, type, response } = asPublicKey(credential)
  if (!(response instanceof AuthenticatorAssertionResponse)) throw new TypeError('no assertion')
  return {
    id,
    rawId: textOf(rawId),
    type,
    clientExtensionResults: {},
    response: {
      clientDataJSON: textOf(response.clientDataJSON),
      authenticatorData: textOf(response.authenticatorData),
      signature: textOf(response.signature),
    },
  }
}

/** @param {string} json */
async function register(json) {
  const options = JSON.parse(json)
  const credential = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytesOf(options.challenge),
      user: withBytes(options.user),
      excludeCredentials: options.excludeCredentials.map(withBytes),
    },
  })
  const { id, rawId, type, response } = asPublicKey(credential)
  if (!(response instanceof AuthenticatorAttestationResponse)) throw new TypeError('no registration')
  return {
    id,
    rawId: textOf(rawId),
    type,
    clientExtensionResults: {},
    response: {
      clientDataJSON: textOf(response.clientDataJSON),
      attestationObject: textOf(response.attestationObject),
      transports: response.getTransports?.() ?? [],
    },
  }
}

/** @param {Credential | null} credential */
function asPublicKey(credential) {
  if (!(credential instanceof PublicKeyCredential)) throw new TypeError('no passkey')
  return credential
}

/** @template {{ id: string }} Item @param {Item} item */
function withBytes(item) {
  return { ...item, id: bytesOf(item.id) }
}

/** Base64url, as WebAuthn writes bytes into JSON. @param {string} text */
function bytesOf(text) {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}

/** @param {ArrayBuffer} buffer */
function textOf(buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer))
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** @param {HTMLFormElement} form @param {string} name */
function fieldOf(form, name) {
  const field = form.elements.namedItem(name)
  if (!(field instanceof HTMLInputElement)) throw new TypeError(`the form has no ${name}`)
  return field
}

/** @param {string} text */
function say(text) {
  if (told !== null) told.textContent = text
}

export {}
