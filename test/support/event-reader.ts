import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { API_KEY, type TimelineEvent } from './story.js';
import { until } from '#libs/testing';

/** Reads server-sent events (HTML Living Standard §9.2.6), and does not reconnect by itself. */
export class EventReader {
  readonly events: TimelineEvent[] = [];
  /** Comment lines, which the service sends as heartbeats. */
  beats = 0;
  retryMs: number | null = null;
  lastEventId: string | null = null;
  /** Null while the stream is open. */
  closed: 'ended' | 'broken' | null = null;
  /** Lines that no server-sent event may contain. */
  readonly oddLines: string[] = [];

  private constructor(private readonly response: IncomingMessage) {
    let rest = '';
    let id = '';
    let data: string[] = [];
    const line = (text: string) => {
      if (text === '') {
        if (data.length > 0) {
          this.lastEventId = id;
          this.events.push(JSON.parse(data.join('\n')) as TimelineEvent);
        }
        data = [];
      } else if (text.startsWith(':')) this.beats += 1;
      else if (text.startsWith('id: ')) id = text.slice(4);
      else if (text.startsWith('data: ')) data.push(text.slice(6));
      else if (text.startsWith('retry: ')) this.retryMs = Number(text.slice(7));
      else this.oddLines.push(text);
    };
    response.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const each of lines) line(each);
    });
    response.on('error', () => undefined);
    response.on('close', () => (this.closed = response.complete ? 'ended' : 'broken'));
  }

  static async open(
    serviceUrl: string,
    id: string,
    { query = '', headers = {} }: { query?: string; headers?: Record<string, string> } = {},
  ): Promise<EventReader> {
    const sent = request(`${serviceUrl}/v1/onboardings/${id}/events/stream${query}`, {
      headers: { authorization: `Bearer ${API_KEY}`, ...headers },
      agent: false,
    }).end();
    sent.on('error', () => undefined);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return new EventReader(response);
  }

  get status(): number {
    return this.response.statusCode!;
  }

  get headers(): IncomingMessage['headers'] {
    return this.response.headers;
  }

  get types(): string[] {
    return this.events.map(({ type }) => type);
  }

  /** For a reader that continues after this reader's last event. */
  get resumed(): { headers: Record<string, string> } {
    return { headers: { 'last-event-id': this.lastEventId! } };
  }

  has(type: string): Promise<true> {
    return until(`"${type}" arrives`, () => this.types.includes(type));
  }

  async end(): Promise<string> {
    return until('the stream ends', () => this.closed);
  }

  hangUp(): void {
    this.response.destroy();
  }
}
