/**
 * Discards spans, and prints the number of exports when it ends. To measure what traces cost:
 *
 *     node bench/span-receiver.mjs &
 *     OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_TRACES_SAMPLER=parentbased_traceidratio \
 *       OTEL_TRACES_SAMPLER_ARG=0.01 npm run bench:check
 */
import { createServer } from 'node:http';

const PORT = 4318;
let exports = 0;
let bytes = 0;

const server = createServer((request, response) => {
  request.on('data', (chunk) => (bytes += chunk.length));
  request.once('end', () => {
    exports += 1;
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
});
server.listen(PORT, '127.0.0.1', () => process.stdout.write(`spans: http://127.0.0.1:${PORT}\n`));
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    process.stdout.write(`spans: ${exports} exports, ${bytes} bytes\n`);
    process.exit();
  });
}
