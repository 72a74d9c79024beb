/**
 * What a server has said and its client has not yet taken: for one request, or for one session's stream. Bounded, since
 * a server may talk while nobody listens: past the limit the oldest goes, for it is only progress and notices. What must
 * arrive (an answer) is put in as `last`, is never dropped, and closes the box.
 */
const MESSAGES_MAX = 1_000
const CHARACTERS_MAX = 8 * 1024 * 1024

export interface Mail {
  readonly text: string
  readonly isLast: boolean
}

export interface Mailbox {
  /** False where the box is closed. */
  put(text: string): boolean
  last(text: string): void
  fail(error: Error): void
  /**
   * The next message, in order; rejects with what `fail` was given, after what came before it has been taken, or with
   * the signal's reason: then the next message is for whoever takes next.
   */
  take(signal?: AbortSignal): Promise<Mail>
}

export function createMailbox(): Mailbox {
  const mails: Mail[] = []
  let characters = 0
  let failure: Error | null = null
  let isClosed = false
  let waiting: { resolve(mail: Mail): void; reject(error: Error): void } | null = null

  function add(mail: Mail): void {
    if (waiting !== null) {
      waiting.resolve(mail)
      waiting = null
      return
    }
    mails.push(mail)
    characters += mail.text.length
    while (mails.length > 1 && (mails.length > MESSAGES_MAX || characters > CHARACTERS_MAX)) {
      const [oldest] = mails
      if (oldest === undefined || oldest.isLast) return
      mails.shift()
      characters -= oldest.text.length
    }
  }

  return {
    put(text) {
      if (!isClosed) add({ text, isLast: false })
      return !isClosed
    },
    last(text) {
      if (isClosed) return
      isClosed = true
      add({ text, isLast: true })
    },
    fail(error) {
      if (isClosed) return
      isClosed = true
      failure = error
      waiting?.reject(error)
      waiting = null
    },
    take(signal) {
      if (signal?.aborted) return Promise.reject(signal.reason)
      const mail = mails.shift()
      if (mail !== undefined) {
        characters -= mail.text.length
        return Promise.resolve(mail)
      }
      if (failure !== null) return Promise.reject(failure)
      return new Promise((resolve, reject) => {
        const leave = () => {
          waiting = null
          reject(signal?.reason)
        }
        const over = () => signal?.removeEventListener('abort', leave)
        signal?.addEventListener('abort', leave, { once: true })
        waiting = {
          resolve: (found) => {
            over()
            resolve(found)
          },
          reject: (error) => {
            over()
            reject(error)
          },
        }
      })
    },
  }
}
