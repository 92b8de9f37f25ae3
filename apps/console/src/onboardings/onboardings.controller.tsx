import { Controller, Get, Param, Query, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';
import { OnboardingSearch, OnboardingView, Operations } from '#libs/onboarding';
import { FormTokens } from '../web/form-token.js';
import { Page } from '../web/page-writer.js';
import { isUuid } from '../web/forms.js';
import { PATHS } from '../web/paths.js';
import { filterOf, parseQuery } from './filter.js';
import { ListPage } from './list.page.js';
import { OnboardingPage } from './onboarding.page.js';

const ROWS = 50;
/** The most operations that the page of an onboarding shows. */
const OPERATIONS = 10;

@Controller(PATHS.onboardings)
export class OnboardingsController {
  constructor(
    private readonly search: OnboardingSearch,
    private readonly view: OnboardingView,
    private readonly operations: Operations,
    private readonly tokens: FormTokens,
  ) {}

  @Get()
  async list(@Query() input: unknown, @Req() request: FastifyRequest): Promise<Page> {
    const query = parseQuery(input);
    const found =
      query.q === undefined
        ? await this.search.list({ ...filterOf(query), limit: ROWS }, query.after)
        : { rows: await this.search.search(query.q), next: null };
    return new Page('Onboardings', <ListPage {...found} query={query} role={request.operator!.role} />);
  }

  @Get(':id')
  async one(@Param('id') id: string, @Req() request: FastifyRequest): Promise<Page> {
    const [onboarding, operations] = await Promise.all([
      this.view.read(id),
      isUuid(id) ? this.operations.ofOnboarding(id, OPERATIONS) : [],
    ]);
    if (!onboarding) throw new ProblemError('not_found', { detail: 'No onboarding has this id.' });
    const token = this.tokens.ofSession(request);
    const props = { onboarding, operations, token, role: request.operator!.role };
    return new Page(`Onboarding ${id}`, <OnboardingPage {...props} />);
  }
}
