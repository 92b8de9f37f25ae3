import { Controller, HttpCode, Param, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { visitOf } from '../control/visits.js';
import { refusals } from './refusals.js';
import { Turnkey } from './turnkey.js';
import { QUERIES, SUBMISSIONS } from './turnkey-paths.js';

/** The OTP part of Turnkey's public API. Each request is stamped (signed); each submission is an activity. */
@Controller('public/v1')
export class PublicApiController {
  constructor(private readonly turnkey: Turnkey) {}

  @Post('submit/:path')
  @HttpCode(200)
  async submit(@Param('path') path: string, @Req() request: FastifyRequest): Promise<object> {
    if (!(SUBMISSIONS as readonly string[]).includes(path)) throw refusals.noRoute();
    const visit = visitOf(request);
    const script = visit?.fault?.activity ?? null;
    const { answer, effect } = await this.turnkey.publicApi.submit({ path, ...genuine(request), script });
    // Before the answer is sent, because a fault may delay or drop the answer.
    visit?.recordEffect(effect);
    return answer;
  }

  @Post('query/:path')
  @HttpCode(200)
  query(@Param('path') path: string, @Req() request: FastifyRequest): object {
    if (!(QUERIES as readonly string[]).includes(path)) throw refusals.noRoute();
    return this.turnkey.queries.answer(path, genuine(request));
  }
}

/** @throws TurnkeyRefusal for a request with an invalid stamp or organization */
function genuine(request: FastifyRequest) {
  const { stamper, organization, refusal } = visitOf(request)?.stamped ?? {};
  if (refusal) throw refusal;
  // Refuse a request whose stamp no hook has checked.
  if (!stamper || !organization) throw refusals.stampMissing();
  return { stamper, organization, rawBody: request.body as Buffer };
}
