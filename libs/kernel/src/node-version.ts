const NEEDED = 24;

/**
 * Stops a process on a Node.js that is too old with a sentence, before an import fails with a riddle.
 *
 * @param version as in `process.versions.node`.
 */
export function requireNode(version = process.versions.node): void {
  if (Number(version.split('.', 1)[0]) >= NEEDED) return;
  process.stderr.write(
    `gangway needs Node.js ${NEEDED} or newer, and this is ${version}. npm scripts bring their own: try npm start.\n`,
  );
  process.exit(2);
}
