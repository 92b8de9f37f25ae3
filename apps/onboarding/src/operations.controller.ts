import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpStatus,
  Param,
  Post,
  Query,
  Req,
  Res,
  UseGuards,
} from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallerGuard } from '#libs/callers';
import { ProblemError, type Caller } from '#libs/kernel';
import { Operations, noSuchOperation, type Actor, type Terms } from '#libs/onboarding';
import { answerOperation } from './answer.js';
import { Answers, OpenTo, TakesKey } from './api-docs.decorator.js';
import { AskedBy, CommandTerms, callerOf } from './command.decorator.js';
import { Idempotent } from './idempotency.js';
import {
  integrationParam,
  itemsQuery,
  operationBody,
  operationIdParam,
  operationItemPage,
  operationPage,
  operationPreview,
  operationReason,
  operationResource,
  operationsQuery,
  toItem,
  toOperation,
  type ItemsQuery,
  type OperationBody,
  type OperationReason,
  type OperationsQuery,
} from './operations.dto.js';

const BODY_PROBLEMS = ['payload_too_large', 'unsupported_media_type'] as const;

@ApiTags('operations')
@UseGuards(CallerGuard)
@Controller('v1')
export class OperationsController {
  constructor(private readonly operations: Operations) {}

  @Post('operations')
  @OpenTo('operations:write')
  @Idempotent()
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Start an operation',
    description:
      'The worker does one action to many onboardings, and refuses those that do not allow it. ' +
      '`erase` also needs the scope `onboardings:erase`.',
  })
  @TakesKey()
  @ApiResponse({ status: 200, description: 'A dry run.', standardSchema: operationPreview })
  @Answers(
    202,
    'The operation is stored. The worker carries it out.',
    operationResource,
    'illegal_state',
    'idempotency_in_progress',
    'idempotency_key_reused',
    ...BODY_PROBLEMS,
  )
  async startOperation(
    @Body({ schema: operationBody }) body: OperationBody,
    @CommandTerms() { caller, key }: Terms,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { action, ids, filter, reason, dryRun = false, atMost } = body;
    const actor = actorOf(request);
    if (action === 'rebuild_wake_ups') {
      if (!dryRun) return answerOperation(reply, await this.operations.rebuildWakeUps(reason, actor, key));
      const detail = 'must be absent: rebuild_wake_ups has no dry run';
      throw new ProblemError('validation_failed', {
        detail: `/dryRun: ${detail}`,
        errors: [{ pointer: '/dryRun', code: 'not_supported', detail }],
      });
    }
    if (action === 'erase') mustErase(caller);
    const target = ids ? { ids } : { filter: filter! };
    if (dryRun) {
      reply.status(HttpStatus.OK);
      return this.operations.preview(target, actor);
    }
    const operation = await this.operations.start(action, target, reason, actor, { key, atMost });
    return answerOperation(reply, operation);
  }

  @Get('operations')
  @OpenTo('operations:read', 'operations:write')
  @ApiOperation({ summary: 'List operations', description: 'Operations of all operators, newest first.' })
  @Answers(200, 'A page.', operationPage)
  async listOperations(
    @Query({ schema: operationsQuery }) { limit, cursor }: OperationsQuery,
    @AskedBy() caller: Caller,
  ) {
    const found = await this.operations.list(limit + 1, cursor, integrationsOf(caller));
    const { page, nextCursor } = paged(found, limit, ({ id }) => id);
    return { items: page.map(toOperation), nextCursor };
  }

  @Get('operations/:id')
  @OpenTo('operations:read', 'operations:write')
  @ApiOperation({ summary: 'Read an operation', description: 'Its state, and how many items ended how.' })
  @Answers(200, 'The operation.', operationResource)
  async getOperation(@Param('id', { schema: operationIdParam }) id: string, @AskedBy() caller: Caller) {
    return toOperation(await this.#find(id, caller));
  }

  @Get('operations/:id/items')
  @OpenTo('operations:read', 'operations:write')
  @ApiOperation({
    summary: 'List the items of an operation',
    description: 'The onboardings of the operation, and how each ended.',
  })
  @Answers(200, 'A page.', operationItemPage)
  async listOperationItems(
    @Param('id', { schema: operationIdParam }) id: string,
    @Query({ schema: itemsQuery }) { outcome, limit, cursor }: ItemsQuery,
    @AskedBy() caller: Caller,
  ) {
    await this.#find(id, caller);
    const found = await this.operations.items(id, { outcome, after: cursor, limit: limit + 1 });
    const { page, nextCursor } = paged(found, limit, ({ onboardingId }) => onboardingId);
    return { items: page.map(toItem), nextCursor };
  }

  @Post('operations/:id/abort')
  @OpenTo('operations:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Abort an operation',
    description: 'Items that the worker has begun still end. The others stay as they are.',
  })
  @Answers(200, 'The operation is aborted.', operationResource, 'illegal_state', ...BODY_PROBLEMS)
  async abortOperation(
    @Param('id', { schema: operationIdParam }) id: string,
    @Body({ schema: operationReason }) { reason }: OperationReason,
    @Req() request: FastifyRequest,
  ) {
    return toOperation(await this.operations.abort(id, reason, actorOf(request)));
  }

  @Post('integrations/:name/pause')
  @OpenTo('operations:write')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Pause an integration',
    description:
      'From now on, no new call and no probe goes to it: its steps are parked. Calls under way still end.',
  })
  @Answers(202, 'The integration is paused.', operationResource, 'illegal_state', ...BODY_PROBLEMS)
  async pauseIntegration(
    @Param('name', { schema: integrationParam }) name: string,
    @Body({ schema: operationReason }) { reason }: OperationReason,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answerOperation(reply, await this.operations.pauseIntegration(name, reason, actorOf(request)));
  }

  @Post('integrations/:name/resume')
  @OpenTo('operations:write')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Resume an integration',
    description: 'Ends the pause. The worker releases the onboardings that the pause has parked.',
  })
  @Answers(202, 'The pause is over.', operationResource, 'illegal_state', ...BODY_PROBLEMS)
  async resumeIntegration(
    @Param('name', { schema: integrationParam }) name: string,
    @Body({ schema: operationReason }) { reason }: OperationReason,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answerOperation(reply, await this.operations.resumeIntegration(name, reason, actorOf(request)));
  }

  async #find(id: string, caller: Caller) {
    const operation = await this.operations.find(id, integrationsOf(caller));
    if (!operation) throw noSuchOperation(id);
    return operation;
  }
}

const integrationsOf = ({ integrations }: Caller) => integrations && [...integrations];

function actorOf(request: FastifyRequest): Actor {
  const caller = callerOf(request);
  return {
    name: `caller:${caller.name}`,
    via: 'rest',
    role: null,
    address: request.ip,
    traceId: request.id,
    integrations: integrationsOf(caller),
  };
}

function mustErase({ scopes }: Caller): void {
  if (scopes.has('onboardings:erase')) return;
  throw new ProblemError('forbidden', {
    detail: 'To erase onboardings, the token also needs the scope onboardings:erase.',
    extensions: { requiredScopes: ['onboardings:erase'] },
  });
}

function paged<T>(found: T[], limit: number, idOf: (each: T) => string) {
  const page = found.slice(0, limit);
  const isLast = found.length <= limit;
  return { page, nextCursor: isLast ? null : Buffer.from(idOf(page.at(-1)!)).toString('base64url') };
}
