import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';

interface Schema {
  type?: string | string[];
  description?: string;
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
}

const { components } = JSON.parse(readFileSync(join(import.meta.dirname, 'openapi.json'), 'utf8')) as {
  components: { schemas: Record<string, Schema> };
};

function membersIn(schema: Schema, path: string): [path: string, member: Schema][] {
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.items ? [schema.items] : [])];
  const own = Object.entries(schema.properties ?? {}).map(([name, member]): [string, Schema] => [
    `${path}.${name}`,
    member,
  ]);
  return [
    ...own,
    ...own.flatMap(([at, member]) => membersIn(member, at)),
    ...parts.flatMap((part) => membersIn(part, path)),
  ];
}

const mayBeNull = ({ type, anyOf = [] }: Schema): boolean =>
  [type].flat().includes('null') || anyOf.some(mayBeNull);

const undescribed = (names: string[], isMeant: (member: Schema, path: string) => boolean, words: RegExp) =>
  names.flatMap((name) =>
    membersIn(components.schemas[name]!, name).flatMap(([path, member]) =>
      isMeant(member, path) && !words.test(member.description ?? '') ? [path] : [],
    ),
  );

it('the OpenAPI document says when each member of an answer is null', () => {
  const answers = [
    'Onboarding',
    'OnboardingPage',
    'ApiKey',
    'MadeApiKey',
    'Wait',
    'SubmitOtp',
    'AskForNewOtp',
  ];
  const events = Object.keys(components.schemas).filter((name) => /.Event$/.test(name));
  expect(undescribed([...answers, ...events], mayBeNull, /\bnull\b/i)).toEqual([]);
});

it('the OpenAPI document describes each member of each event’s data', () => {
  const events = Object.keys(components.schemas).filter((name) => /.Event$/.test(name));
  expect(events.length).toBeGreaterThan(20);
  expect(undescribed(events, (_member, path) => path.includes('.data.'), /./)).toEqual([]);
});

it('the OpenAPI document describes each member for client custody, where a device keeps the key', () => {
  const needed = new Set([
    'deviceSigning',
    'targetBundle',
    'encryptedOtpBundle',
    'clientSignature',
    'body',
    'stamp',
  ]);
  const isNeeded = (member: Schema, path: string) =>
    needed.has(path.split('.').at(-1)!) && member.type !== 'null';
  expect(undescribed(['Onboarding', 'VerifyOtp', 'DeviceRequest'], isNeeded, /./)).toEqual([]);
});
