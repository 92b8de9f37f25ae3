/**
 * Ends the process on an uncaught error, and prints only its message and stack. Node.js itself would print
 * every member of the error and of its causes. After a failed request to a provider, these contain the body
 * with the code. Also removes the environment from the diagnostic reports of Node.js.
 */
export function crashWithoutSecrets(): void {
  // Node.js has this since 22.13. Before that, it makes reports only if it is started with a flag.
  if (process.report) Object.assign(process.report, { excludeEnv: true });
  process.on('uncaughtException', end);
  // Otherwise Node.js makes an exception whose message shows the rejected value.
  process.on('unhandledRejection', end);
}

function end(fault: unknown): void {
  const told =
    fault instanceof Error ? (fault.stack ?? fault.name) : `${typeof fault} that is not an Error was thrown`;
  process.stderr.write(`gangway crashed: ${told}\n`);
  process.exit(1);
}
