import { describe, expect, it } from '@jest/globals';
import { Sealer, sealedBy } from '#libs/platform';
import { DataKeys } from './data-keys.js';

const key = (id: string, byte: number) => ({ id, key: Buffer.alloc(32, byte) });
const place = { onboardingId: 'one', field: 'grant' };

describe('a row’s own key', () => {
  it('seals what no key of the ring opens', () => {
    const ring = new Sealer([key('a', 1)]);
    const { patch, sealer } = new DataKeys(ring).fresh('one');
    const sealed = sealer.seal(place, 'secret');
    expect(() => ring.open(place, sealed)).toThrow();
    expect(new DataKeys(ring).of({ id: 'one', ...patch }).open(place, sealed)).toBe('secret');
  });

  it('is another for each row, and no row’s that it is moved to', () => {
    const dataKeys = new DataKeys(new Sealer([key('a', 1)]));
    const [one, two] = [dataKeys.fresh('one'), dataKeys.fresh('two')];
    const sealed = one.sealer.seal(place, 'secret');
    expect(() => two.sealer.open(place, sealed)).toThrow();
    expect(() => dataKeys.of({ id: 'two', sealedDataKey: one.patch.sealedDataKey })).toThrow();
  });

  it('takes all that it sealed with it when it is destroyed', () => {
    const dataKeys = new DataKeys(new Sealer([key('a', 1)]));
    const sealed = dataKeys.fresh('one').sealer.seal(place, 'secret');
    expect(() => dataKeys.of({ id: 'one', sealedDataKey: null }).open(place, sealed)).toThrow();
  });

  it('stays the same when the ring seals it anew', () => {
    const [old, fresh] = [key('old', 1), key('new', 2)];
    const before = new DataKeys(new Sealer([old]));
    const { patch, sealer } = before.fresh('one');
    const sealed = sealer.seal(place, 'secret');
    const wrapped = new DataKeys(new Sealer([fresh, old])).wrappedAnew('one', patch.sealedDataKey!);
    expect([patch.dataKeyId, wrapped.dataKeyId, sealedBy(wrapped.sealedDataKey!)]).toEqual([
      'old',
      'new',
      'new',
    ]);
    expect(new DataKeys(new Sealer([fresh])).of({ id: 'one', ...wrapped }).open(place, sealed)).toBe(
      'secret',
    );
  });

  it('of the version before is the ring’s', () => {
    const ring = new Sealer([key('a', 1)]);
    const sealed = ring.seal(place, 'secret');
    const dataKeys = new DataKeys(ring);
    expect(dataKeys.of({ id: 'one', sealedDataKey: null }).open(place, sealed)).toBe('secret');
    expect(dataKeys.of({ id: 'one', ...dataKeys.fresh('one').patch }).open(place, sealed)).toBe('secret');
  });

  it('that is sealed with a key that is gone names it', () => {
    const { patch } = new DataKeys(new Sealer([key('gone', 1)])).fresh('one');
    expect(() => new DataKeys(new Sealer([key('here', 2)])).of({ id: 'one', ...patch })).toThrow(
      'data_key is sealed with key "gone", which SEALING_KEYS does not have',
    );
  });
});
