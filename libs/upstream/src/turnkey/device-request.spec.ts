import { describe, expect, it } from '@jest/globals';
import { ProblemError } from '#libs/kernel';
import { Device } from '../fixtures/device.js';
import { aPasskey } from '../fixtures/doors.js';
import type { DeviceRequest, DeviceSigning } from '../port/upstream-provider.js';
import { readDeviceRequest } from './device-request.js';
import { loginMessageOf } from './login-proof.js';

const device = new Device();
const signing: DeviceSigning = {
  organizationId: '550e8400-e29b-41d4-a716-446655440000',
  userId: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
  publicKey: device.publicKey,
  loginMessage: loginMessageOf('token-1', device.publicKey),
};
const passkeys = [aPasskey(), aPasskey()];
const params = passkeys.map((passkey) => passkey.params);
const good = () => device.request(signing, params);

function faultsOf(request: DeviceRequest): [string, string][] {
  try {
    readDeviceRequest(request, signing, Date.now());
  } catch (error) {
    expect(error).toMatchObject({ code: 'validation_failed' });
    return (error as ProblemError).errors!.map(({ pointer, code }) => [pointer, code]);
  }
  throw new Error('it was accepted');
}
const pointersOf = (request: DeviceRequest) => faultsOf(request).map(([pointer]) => pointer);

it('readDeviceRequest returns the passkeys of a request signed with Turnkey’s packages', async () => {
  expect(readDeviceRequest(await good(), signing, Date.now())).toEqual(
    passkeys.map(({ authenticator }) => authenticator),
  );
  const upper = await device.request({ ...signing, userId: signing.userId.toUpperCase() }, params);
  expect(readDeviceRequest(upper, signing, Date.now())).toHaveLength(2);
});

describe('the body of a device’s request', () => {
  type Body = Record<string, unknown>;
  const withParameters = (change: object) => (body: Body) => ({
    ...body,
    parameters: { ...(body['parameters'] as object), ...change },
  });
  const withFirst = (change: object) => withParameters({ authenticators: [{ ...params[0], ...change }] });
  const withAttestation = (change: object) =>
    withFirst({ attestation: { ...params[0]!.attestation, ...change } });

  it.each<[string, (body: Body) => object, string]>([
    ['of another type', (body) => ({ ...body, type: 'ACTIVITY_TYPE_DELETE_AUTHENTICATORS' }), '/type'],
    ['of an older version', (body) => ({ ...body, type: 'ACTIVITY_TYPE_CREATE_AUTHENTICATORS' }), '/type'],
    ['for another organization', (body) => ({ ...body, organizationId: signing.userId }), '/organizationId'],
    ['for another user', withParameters({ userId: signing.organizationId }), '/parameters/userId'],
    [
      'of two hours ago',
      (body) => ({ ...body, timestampMs: String(Date.now() - 7_200_000) }),
      '/timestampMs',
    ],
    ['of the future', (body) => ({ ...body, timestampMs: String(Date.now() + 600_000) }), '/timestampMs'],
    ['whose time is a number', (body) => ({ ...body, timestampMs: Date.now() }), '/timestampMs'],
    ['with an extra member', (body) => ({ ...body, apiKeys: [] }), '/apiKeys'],
    ['with an extra parameter', withParameters({ tags: [] }), '/parameters/tags'],
    ['of no passkey', withParameters({ authenticators: [] }), '/parameters/authenticators'],
    [
      'of eleven passkeys',
      withParameters({ authenticators: Array.from({ length: 11 }, () => params[0]) }),
      '/parameters/authenticators',
    ],
    [
      'of a passkey without a name',
      withFirst({ authenticatorName: '' }),
      '/parameters/authenticators/0/authenticatorName',
    ],
    ['with a padded challenge', withFirst({ challenge: 'YQ==' }), '/parameters/authenticators/0/challenge'],
    [
      'with an empty credential id',
      withAttestation({ credentialId: '' }),
      '/parameters/authenticators/0/attestation/credentialId',
    ],
    [
      'with a transport of Byzantine',
      withAttestation({ transports: ['Unknown'] }),
      '/parameters/authenticators/0/attestation/transports/0',
    ],
  ])('%s is refused with a pointer to the error', async (_what, change, pointer) => {
    expect(pointersOf(await device.request(signing, params, change))).toEqual([`/device/body${pointer}`]);
  });

  it.each(['', 'null', '[]', '{"type":'])('is refused if it is the text %j', async (body) => {
    const pointers = pointersOf(await device.signed(signing.loginMessage, body));
    expect(pointers.every((pointer) => pointer.startsWith('/device/body'))).toBe(true);
  });

  it('is refused if it has a member twice, because Turnkey might read the other value', async () => {
    const { body } = await good();
    const twice = body.replace(
      '"parameters":',
      '"parameters":{"userId":"x","authenticators":[]},"parameters":',
    );
    expect(pointersOf(await device.signed(signing.loginMessage, twice))).toEqual(['/device/body']);
  });

  it('may contain additional white space', async () => {
    const { body } = await good();
    const spelt = JSON.stringify(JSON.parse(body), null, 2);
    const request = await device.signed(signing.loginMessage, spelt);
    expect(readDeviceRequest(request, signing, Date.now())).toHaveLength(2);
  });
});

describe('a signature in a device’s request', () => {
  it('is refused if another device made the login signature or the stamp', async () => {
    const other = await new Device().request(signing, params);
    const own = await good();
    expect(faultsOf({ ...own, clientSignature: other.clientSignature })).toEqual([
      ['/device/clientSignature', 'bad_signature'],
    ]);
    expect(faultsOf({ ...other, clientSignature: own.clientSignature })).toEqual([
      ['/device/stamp', 'wrong_key'],
    ]);
  });

  it('is refused if it covers another text', async () => {
    const own = await good();
    const login = await device.signed(loginMessageOf('token-2', device.publicKey), own.body);
    expect(faultsOf({ ...own, clientSignature: login.clientSignature })).toEqual([
      ['/device/clientSignature', 'bad_signature'],
    ]);
    expect(faultsOf({ ...own, body: `${own.body} ` })).toEqual([['/device/stamp', 'bad_signature']]);
  });

  it('is refused if it has the wrong format', async () => {
    const own = await good();
    expect(faultsOf({ ...own, clientSignature: 'ab' })).toEqual([['/device/clientSignature', 'malformed']]);
    expect(faultsOf({ ...own, stamp: 'e30' })[0]![0]).toBe('/device/stamp');
    expect(faultsOf({ ...own, stamp: '' })).toEqual([['/device/stamp', 'malformed']]);
  });

  it('that is wrong is reported together with all other errors', async () => {
    const own = await good();
    expect(pointersOf({ body: own.body.replace('_V2', '_V9'), clientSignature: '', stamp: '' })).toEqual([
      '/device/body/type',
      '/device/clientSignature',
      '/device/stamp',
    ]);
  });
});
