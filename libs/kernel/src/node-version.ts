const NEEDED = 24;

/** Ends an old Node.js with a clear message. Otherwise, an import would fail with an unclear error. */
export function requireNode(version = process.versions.node): void {
  if (Number(version.split('.', 1)[0]) >= NEEDED) return;
  process.stderr.write(
    `gangway needs Node.js ${NEEDED} or newer, and this is ${version}. ` +
      'npm scripts bring a Node.js that is new enough: try npm start.\n',
  );
  process.exit(2);
}
