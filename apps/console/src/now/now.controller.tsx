import { Controller, Get, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { LogLevels } from '#libs/database';
import { NowView, RefusalList } from '#libs/onboarding';
import { FormTokens } from '../web/form-token.js';
import { Page } from '../web/page-writer.js';
import { PATHS } from '../web/paths.js';
import { NowPage } from './now.page.js';

@Controller()
export class NowController {
  constructor(
    private readonly view: NowView,
    private readonly refusals: RefusalList,
    private readonly levels: LogLevels,
    private readonly tokens: FormTokens,
  ) {}

  @Get(PATHS.now)
  async now(@Req() request: FastifyRequest): Promise<Page> {
    const [now, unknownRefusals, levels] = await Promise.all([
      this.view.read(),
      this.refusals.counts(),
      this.levels.list(),
    ]);
    const props = {
      now,
      unknownRefusals,
      levels,
      token: this.tokens.ofSession(request),
      role: request.operator!.role,
    };
    const { length } = now.problems;
    return new Page(length > 0 ? `(${length}) Now` : 'Now', <NowPage {...props} />);
  }
}
