/**
 * Ends the process on an uncaught error, and prints only its message and stack. Node.js itself would print
 * every member of the error and its causes. After a failed request to a provider, these contain the body
 * with the code. Diagnostic reports of Node.js also leave out the environment.
 */
export function crashWithoutSecrets(): void {
  // Since Node.js 22.13. Before that, a process makes reports only if it is started with a flag for them.
  if (process.report) Object.assign(process.report, { excludeEnv: true });
  process.on('uncaughtException', end);
  // Otherwise Node.js makes an exception of it whose message shows the rejected value.
  process.on('unhandledRejection', end);
}

function end(fault: unknown): void {
  const told =
    fault instanceof Error ? (fault.stack ?? fault.name) : `${typeof fault} that is not an Error was thrown`;
  process.stderr.write(`gangway crashed: ${told}\n`);
  process.exit(1);
}
