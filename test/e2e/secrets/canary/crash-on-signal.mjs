/**
 * Node.js loads this file before the service. At SIGUSR2, the service crashes with its settings in the error.
 */
function errorWithSettings() {
  const known = { ...process.env };
  const error = new Error('crash of the test', { cause: new Error('the cause', { cause: known }) });
  return Object.assign(error, {
    config: { data: JSON.stringify(known), headers: known },
    known,
    bytes: Buffer.from(process.env['HASH_KEY'] ?? '', 'base64'),
    errors: [known],
  });
}

const WAYS = {
  exception: () =>
    setImmediate(() => {
      throw errorWithSettings();
    }),
  rejection: () => void Promise.reject(errorWithSettings()),
  'rejection of no error': () => void Promise.reject({ ...process.env }),
};

process.on('SIGUSR2', () => WAYS[process.env['CRASH_BY']]());
