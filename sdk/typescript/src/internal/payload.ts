/** What the host has answered in place of a result: QuickJS throws an Error that has it. */
export function payloadOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'payload' in thrown ? thrown.payload : thrown;
}
