/**
 * Has the process end at a fault that nobody caught, with the fault's message and stack, and nothing that hangs on it.
 * Node itself would print every member of the error and of its causes: of a failed request to a provider that is the
 * body, with the code in it. Nor does Node's report of a process, where somebody asks for one, tell the environment.
 */
export function crashWithoutSecrets(): void {
  // Of Node 22.13 on; before that a report is of a process that somebody has started with a flag for it.
  if (process.report) Object.assign(process.report, { excludeEnv: true });
  process.on('uncaughtException', end);
  // By itself a rejection becomes an exception whose message shows what it was rejected with.
  process.on('unhandledRejection', end);
}

function end(fault: unknown): void {
  const told =
    fault instanceof Error ? (fault.stack ?? fault.name) : `${typeof fault} that is no Error was thrown`;
  process.stderr.write(`gangway crashed: ${told}\n`);
  process.exit(1);
}
