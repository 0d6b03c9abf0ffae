/** What stops a run: an invariant that does not hold. */
export class Violation extends Error {
  constructor(readonly invariant: string, text: string) {
    super(`${invariant}: ${text}`);
    this.name = 'Violation';
  }
}
