const NEEDED = 24;

/**
 * Ends the process with a clear message if its Node.js is too old. Otherwise, an import would fail with an
 * unclear error.
 *
 * @param version as in `process.versions.node`.
 */
export function requireNode(version = process.versions.node): void {
  if (Number(version.split('.', 1)[0]) >= NEEDED) return;
  process.stderr.write(
    `gangway needs Node.js ${NEEDED} or newer, and this is ${version}. ` +
      'npm scripts bring a Node.js that is new enough: try npm start.\n',
  );
  process.exit(2);
}
