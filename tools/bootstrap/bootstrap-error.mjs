/** Ends the set-up with one line that says what to do. */
export class BootstrapError extends Error {
  /** @param {string} message @param {number} [exitCode] */
  constructor(message, exitCode = 1) {
    super(message)
    this.name = 'BootstrapError'
    this.exitCode = exitCode
  }
}
