/** The server for http-client.mjs. It is a separate process, so that its CPU time is not measured. */
import { createServer } from 'node:http';

const answer = JSON.stringify({ otpId: '2b1f6d1e-8f1c-4f0e-9d55-0a7f6f1d2c3b' });
const head = { 'content-type': 'application/json', 'content-length': answer.length };

const server = createServer((request, response) => {
  request.resume().once('end', () => response.writeHead(200, head).end(answer));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.once('disconnect', () => process.exit());
