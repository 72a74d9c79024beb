/**
 * Signals that abort by themselves, or when the process stops, whichever comes first. Not AbortSignal.any(): on Node 20
 * a signal that lives as long as the process keeps a trace of each signal that was ever made of it, and one is made for
 * every held call and every listening stream.
 */
export interface Ending {
  readonly signal: AbortSignal
  abort(reason?: unknown): void
  /** Nobody looks at it any more. */
  release(): void
}

export type Endings = () => Ending

export function createEndings(stopping: AbortSignal): Endings {
  const open = new Set<AbortController>()
  const stop = () => {
    for (const controller of open) controller.abort(stopping.reason)
    open.clear()
  }
  stopping.addEventListener('abort', stop, { once: true })
  return () => {
    const controller = new AbortController()
    if (stopping.aborted) controller.abort(stopping.reason)
    else open.add(controller)
    const release = () => void open.delete(controller)
    return {
      signal: controller.signal,
      abort(reason) {
        release()
        controller.abort(reason)
      },
      release,
    }
  }
}
