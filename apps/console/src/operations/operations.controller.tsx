import { Controller, Get, HttpStatus, Param, Post, Query, Redirect, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  OPERATION_ACTIONS,
  Operations,
  STATES,
  noSuchOperation,
  type Actor,
  type OperationAction,
} from '#libs/onboarding';
import { fieldsOf, filterOf, parseQuery, type ListQuery } from '../onboardings/filter.js';
import { FormTokens } from '../web/form-token.js';
import { REASON_FIELD, TOKEN_FIELD, checkToken, isUuid, parsed } from '../web/forms.js';
import { FOR_OPERATORS, mustActAs } from '../web/gate.js';
import { Page } from '../web/page-writer.js';
import { PATHS, pathOfOnboarding, pathOfOperation } from '../web/paths.js';
import { ONLY_STEP_OF_ACTION, STATES_OF_ACTION, roleOfAction } from './actions.js';
import { NewOperationPage, type DryRun } from './new.page.js';
import { OperationPage } from './operation.page.js';
import { OperationsPage } from './operations.page.js';

const ACTION_FIELD = z.enum(OPERATION_ACTIONS);
/** A form acts on one onboarding, by its id, or on all that match a filter. */
const startForm = z.looseObject({
  action: ACTION_FIELD,
  id: z.uuid().optional(),
  /** The number of onboardings that the dry run showed. */
  atMost: z.coerce.number().int().optional(),
  reason: REASON_FIELD,
  token: TOKEN_FIELD,
});
const reasonForm = z.strictObject({ reason: REASON_FIELD, token: TOKEN_FIELD });
/** The id after which a page of a list starts. With a wrong id, the list starts at its first row. */
const PLACE = z.uuid().optional().catch(undefined);
const ITEMS = 50;
const OPERATIONS = 50;
/** A dry run counts at most this many onboardings, so that its page is quick. */
const MOST_COUNTED = 10_000;

@Controller(PATHS.operations)
export class OperationsController {
  constructor(
    private readonly operations: Operations,
    private readonly tokens: FormTokens,
  ) {}

  @Get()
  async list(@Query('after') after: unknown): Promise<Page> {
    const operations = await this.operations.list(OPERATIONS, PLACE.parse(after));
    return new Page('Operations', <OperationsPage operations={operations} limit={OPERATIONS} />);
  }

  /**
   * The form for an action on all onboardings that match a filter. Once an action is chosen, the page shows a
   * dry run.
   */
  @Get('new')
  @RouteConfig(FOR_OPERATORS)
  async newForm(@Query() input: Record<string, unknown>, @Req() request: FastifyRequest): Promise<Page> {
    const { action: asked, ...filter } = input;
    const query = parseQuery(filter);
    const action = ACTION_FIELD.optional().catch(undefined).parse(asked);
    if (action !== undefined) mustMay(request, action);
    const dryRun = action === undefined ? null : await this.#dryRun(action, query);
    const props = { fields: fieldsOf(query), dryRun, token: this.tokens.ofSession(request) };
    return new Page('Act on many', <NewOperationPage {...props} role={request.operator!.role} />);
  }

  async #dryRun(action: OperationAction, query: ListQuery): Promise<DryRun> {
    const fitting = fittingOf(action, query);
    const [all, some] = await Promise.all([
      this.operations.preview({ filter: filterOf(query) }, {}, MOST_COUNTED),
      fitting && this.operations.preview({ filter: filterOf(fitting) }, {}, MOST_COUNTED),
    ]);
    return {
      action,
      matching: all,
      fitting: some ?? { count: 0, counted: 'exactly', sample: [] },
      fields: fieldsOf(fitting ?? query),
    };
  }

  @Post()
  @RouteConfig(FOR_OPERATORS)
  @Redirect()
  async start(@Req() request: FastifyRequest) {
    const { action, id, reason, token, atMost, ...rest } = parsed(startForm, request);
    checkToken(this.tokens, request, token);
    mustMay(request, action);
    const target = id === undefined ? { filter: filterOf(parseQuery(rest)) } : { ids: [id] };
    const operation = await this.operations.start(action, target, reason, actorOf(request), { atMost });
    // After an action on one onboarding, shows the page of this onboarding: it tells how the action ended.
    return seeOther(id === undefined ? pathOfOperation(operation.id) : pathOfOnboarding(id));
  }

  @Post('rebuild-wake-ups')
  @RouteConfig(FOR_OPERATORS)
  @Redirect()
  async rebuild(@Req() request: FastifyRequest) {
    const operation = await this.operations.rebuildWakeUps(this.#reason(request), actorOf(request));
    return seeOther(pathOfOperation(operation.id));
  }

  @Post('integrations/:name/pause')
  @RouteConfig(FOR_OPERATORS)
  @Redirect()
  async pause(@Param('name') name: string, @Req() request: FastifyRequest) {
    await this.operations.pauseIntegration(name, this.#reason(request), actorOf(request));
    return seeOther(PATHS.now);
  }

  @Post('integrations/:name/resume')
  @RouteConfig(FOR_OPERATORS)
  @Redirect()
  async resume(@Param('name') name: string, @Req() request: FastifyRequest) {
    await this.operations.resumeIntegration(name, this.#reason(request), actorOf(request));
    return seeOther(PATHS.now);
  }

  @Get(':id')
  async one(
    @Param('id') id: string,
    @Query('after') place: unknown,
    @Req() request: FastifyRequest,
  ): Promise<Page> {
    const operation = isUuid(id) ? await this.operations.find(id) : null;
    if (!operation) throw noSuchOperation(id);
    const after = PLACE.parse(place);
    const items = await this.operations.items(id, { limit: ITEMS, ...(after !== undefined && { after }) });
    const token = this.tokens.ofSession(request);
    const props = { operation, items, limit: ITEMS, token, role: request.operator!.role };
    return new Page(`Operation ${id}`, <OperationPage {...props} path={request.url} />);
  }

  @Post(':id/abort')
  @RouteConfig(FOR_OPERATORS)
  @Redirect()
  async abort(@Param('id') id: string, @Req() request: FastifyRequest) {
    if (!isUuid(id)) throw noSuchOperation(id);
    await this.operations.abort(id, this.#reason(request), actorOf(request));
    return seeOther(pathOfOperation(id));
  }

  #reason(request: FastifyRequest): string {
    const { reason, token } = parsed(reasonForm, request);
    checkToken(this.tokens, request, token);
    return reason;
  }
}

/** Narrows a filter to the states and the step in which an action is possible. Null if there are none. */
function fittingOf(action: OperationAction, query: ListQuery): ListQuery | null {
  // This filter selects ended onboardings. The action only records a decision on them.
  if (query.unresolved) return query;
  const asked = filterOf(query).states ?? STATES;
  const state = asked.filter((each) => STATES_OF_ACTION[action].includes(each));
  const step = ONLY_STEP_OF_ACTION[action] ?? query.step;
  if (state.length === 0 || (query.step !== undefined && query.step !== step)) return null;
  return state.length === STATES.length ? query : { ...query, live: undefined, state, step };
}

/** Redirects the browser to a page, so that a reload of the page does not send the form again. */
const seeOther = (url: string) => ({ url, statusCode: HttpStatus.SEE_OTHER });

const mustMay = ({ operator }: FastifyRequest, action: OperationAction) =>
  mustActAs(operator!.role, roleOfAction(action));

const actorOf = ({ operator, ip, id }: FastifyRequest): Actor => ({
  name: `operator:${operator!.name}`,
  via: 'console',
  role: operator!.role,
  address: ip,
  traceId: id,
  identity: operator!.identity,
});
