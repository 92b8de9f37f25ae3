import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { until } from '#libs/testing';

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  /** Empty for a root span. */
  parentSpanId: string;
  name: string;
  kind: string;
  startMs: number;
  endMs: number;
  attributes: Record<string, unknown>;
  resource: Record<string, unknown>;
  links: { traceId: string; spanId: string }[];
  events: number;
  isError: boolean;
}

const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];

/** Collects spans from OTLP over HTTP, with protobuf. */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  readonly headers: IncomingHttpHeaders[] = [];
  /** For each export: the URL, and the bytes as latin1. */
  readonly texts: string[] = [];
  status = 200;

  /** Exports get no answer until it resolves. */
  held: Promise<unknown> | undefined;

  private constructor(private readonly server: Server) {}

  static async listen(port = 0): Promise<OtlpReceiver> {
    const server = createServer((request, response) => {
      void buffer(request).then(async (body) => {
        await receiver.held;
        receiver.#receive(request.url, request.headers, body);
        response.writeHead(receiver.status, { 'content-type': 'application/x-protobuf' }).end();
      });
    });
    const receiver = new OtlpReceiver(server);
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  spansOf(traceId: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  /** Waits until `count` spans fit. @returns all that fit. */
  async until(what: string, fits: (span: ReceivedSpan) => boolean, count = 1): Promise<ReceivedSpan[]> {
    await until(what, async () => this.spans.filter(fits).length >= count, 20_000);
    return this.spans.filter(fits);
  }

  #receive(url: string | undefined, headers: IncomingHttpHeaders, body: Buffer): void {
    this.headers.push(headers);
    this.texts.push(`${url} ${body.toString('latin1')}`);
    if (this.status !== 200) return;
    for (const ofResource of messages(read(body), 1)) {
      const [resource] = messages(ofResource, 1);
      const about = resource ? pairs(messages(resource, 1)) : {};
      for (const ofScope of messages(ofResource, 2)) {
        for (const span of messages(ofScope, 2)) this.spans.push(spanOf(span, about));
      }
    }
  }
}

/** @returns the spans as trees, one line for each span. */
export function treeOf(
  spans: readonly ReceivedSpan[],
  lineOf = (span: ReceivedSpan) => nameOf(span),
): string {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const sorted = spans.toSorted((one, other) => one.startMs - other.startMs);
  const below = (parent: string | null, depth: number): string[] =>
    sorted
      .filter(({ parentSpanId }) => (parent === null ? !ids.has(parentSpanId) : parentSpanId === parent))
      .flatMap((span) => [`${'  '.repeat(depth)}${lineOf(span)}`, ...below(span.spanId, depth + 1)]);
  return below(null, 0).join('\n');
}

const nameOf = ({ name, kind, attributes, isError }: ReceivedSpan) =>
  [name, kind, attributes['error.type'], isError && '!'].filter(Boolean).join(' ');

/** By field number. */
type Fields = Map<number, (Buffer | bigint)[]>;

function read(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number) => bytes.subarray(at, (at += length));
  while (at < bytes.length) {
    const tag = Number(varint());
    const value = [varint, () => take(8), () => take(Number(varint())), null, null, () => take(4)][
      tag & 7
    ]!();
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}

const bytesOf = (fields: Fields, number: number) =>
  (fields.get(number) ?? []).map((value) => value as Buffer);
const messages = (fields: Fields, number: number) => bytesOf(fields, number).map(read);
const hex = (fields: Fields, number: number) => bytesOf(fields, number)[0]?.toString('hex') ?? '';
const text = (fields: Fields, number: number) => bytesOf(fields, number)[0]?.toString() ?? '';
const ms = (fields: Fields, number: number) => Number(bytesOf(fields, number)[0]!.readBigUInt64LE()) / 1e6;

function pairs(all: Fields[]): Record<string, unknown> {
  return Object.fromEntries(
    all.map((pair) => {
      const [value] = messages(pair, 2);
      const number = value?.get(3)?.[0];
      return [text(pair, 1), number === undefined ? value && text(value, 1) : Number(number)];
    }),
  );
}

function spanOf(span: Fields, resource: Record<string, unknown>): ReceivedSpan {
  return {
    traceId: hex(span, 1),
    spanId: hex(span, 2),
    parentSpanId: hex(span, 4),
    name: text(span, 5),
    kind: KINDS[Number(span.get(6)?.[0] ?? 0)]!,
    startMs: ms(span, 7),
    endMs: ms(span, 8),
    attributes: pairs(messages(span, 9)),
    resource,
    links: messages(span, 13).map((link) => ({ traceId: hex(link, 1), spanId: hex(link, 2) })),
    events: messages(span, 11).length,
    isError: messages(span, 15).some((status) => status.get(3)?.[0] === 2n),
  };
}
