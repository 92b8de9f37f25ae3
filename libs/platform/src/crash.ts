/**
 * Prints only the message and stack of an uncaught error. Node.js would print all members of its causes,
 * which may include a request's body with a code.
 */
export function crashWithoutSecrets(): void {
  // `excludeEnv` exists since Node.js 22.13. Earlier versions write reports only if a flag is set.
  if (process.report) Object.assign(process.report, { excludeEnv: true });
  process.on('uncaughtException', end);
  // Without this listener, Node.js would throw an exception whose message shows the rejected value.
  process.on('unhandledRejection', end);
}

function end(fault: unknown): void {
  const description =
    fault instanceof Error ? (fault.stack ?? fault.name) : `${typeof fault} that is not an Error was thrown`;
  process.stderr.write(`gangway crashed: ${description}\n`);
  process.exit(1);
}
