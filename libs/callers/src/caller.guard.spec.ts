import { describe, expect, it } from '@jest/globals';
import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Caller, Scope } from '#libs/kernel';
import { aCaller } from '#libs/testing';
import { CallerGuard } from './caller.guard.js';
import type { Count } from './counter.js';
import { Requires } from './requires.decorator.js';

class Routes {
  @Requires('onboardings:read', 'operations:read')
  read() {}

  open() {}
}

const counted = (over: boolean): Count => ({
  policy: 'caller',
  quota: 1,
  remaining: 0,
  resetMs: 1_000,
  over,
});

/** @returns the guard's decision, and the headers that the guard sets */
function ask(request: { caller?: Caller; counts?: Promise<Count>[] }, method: 'read' | 'open' = 'read') {
  const headers: Record<string, string> = {};
  const context = {
    switchToHttp: () => ({
      getRequest: () => request,
      getResponse: () => ({ header: (name: string, value: string) => void (headers[name] = value) }),
    }),
    getHandler: () => Routes.prototype[method],
  } as unknown as ExecutionContext;
  return { answer: new CallerGuard(new Reflector()).canActivate(context), headers };
}

describe('the caller guard of a route', () => {
  it.each<[Scope[], boolean]>([
    [['onboardings:read'], true],
    [['operations:read', 'onboardings:write'], true],
    [['onboardings:write', 'onboardings:erase', 'operations:write', 'admin'], false],
    [[], false],
  ])('accepts any one of the scopes that the route names: %j', async (scopes, passes) => {
    const { answer, headers } = ask({ caller: aCaller('shop', scopes) });
    if (passes) return expect(await answer).toBe(true);
    await expect(answer).rejects.toMatchObject({
      code: 'forbidden',
      message: 'This request needs the scope onboardings:read or operations:read.',
      extensions: { requiredScopes: ['onboardings:read', 'operations:read'] },
    });
    expect(headers['WWW-Authenticate']).toBe(
      'Bearer realm="gangway", error="insufficient_scope", scope="onboardings:read operations:read"',
    );
  });

  it('refuses a request without a caller, and each request to a route without a scope', async () => {
    await expect(ask({}).answer).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(ask({ caller: aCaller() }, 'open').answer).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('checks the rate limits before the scope', async () => {
    const counts = [Promise.resolve(counted(false)), Promise.resolve(counted(true))];
    const { answer } = ask({ caller: aCaller('shop', []), counts });
    await expect(answer).rejects.toMatchObject({ code: 'rate_limited' });
  });
});
