import { Controller, Get, HttpStatus, Param, Query, Res, StreamableFile, UseGuards } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CallerGuard } from '#libs/callers';
import type { Caller } from '#libs/kernel';
import { OnboardingService } from '#libs/onboarding';
import { Answers, OpenTo } from './api-docs.decorator.js';
import { AskedBy } from './command.decorator.js';
import { EventStreams } from './event-streams.js';
import { LastEventId } from './last-event-id.decorator.js';
import { idParam, streamQuery, type StreamQuery } from './onboarding.dto.js';

const TYPE = 'text/event-stream';

/** Nest's `@Sse` would answer 200 before the service knows whether more events can follow (204 if not). */
@ApiTags('onboardings')
@UseGuards(CallerGuard)
@Controller('v1/onboardings/:id/events/stream')
export class EventStreamController {
  constructor(
    private readonly onboardings: OnboardingService,
    private readonly streams: EventStreams,
  ) {}

  @Get()
  @OpenTo('onboardings:read', 'operations:read', 'operations:write')
  @ApiOperation({
    summary: 'Follow the timeline',
    description:
      'Server-sent events (HTML Standard §9.2). Each event has its number as `id`, an `OnboardingEvent` as ' +
      '`data`, and no event type. The stream ends after a while, and soon after the onboarding ends. ' +
      'Connect again until the answer is 204.',
  })
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    schema: { type: 'integer', minimum: 0, maximum: 2_147_483_647 },
    description:
      'The id of the last event that the client received. The stream continues after it and ignores `after`.',
  })
  @ApiResponse({
    status: HttpStatus.OK,
    description: 'The events.',
    content: {
      [TYPE]: {
        schema: { type: 'string' },
        example:
          'id: 4\ndata: {"seq":4,"type":"otp_sent","at":"2026-11-28T12:00:00.000Z",' +
          '"actor":"upstream","data":{}}\n\n',
      },
    },
  })
  @Answers(
    HttpStatus.NO_CONTENT,
    'The onboarding has ended, and there is no event after this number: do not connect again.',
    null,
  )
  async streamEvents(
    @Param('id', { schema: idParam }) id: string,
    @Query({ schema: streamQuery }) { after }: StreamQuery,
    @LastEventId() lastEventId: number | null,
    @AskedBy() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile | undefined> {
    const from = lastEventId ?? after;
    if (!(await this.onboardings.hasMoreEvents(id, from, caller))) {
      reply.status(HttpStatus.NO_CONTENT);
      return undefined;
    }
    // Without this header, nginx delays events until its buffer is full.
    reply.header('X-Accel-Buffering', 'no');
    // Nest ends the stream when the client disconnects, and sends no stream in answer to HEAD.
    return new StreamableFile(this.streams.open(id, from, caller.name), { type: TYPE });
  }
}
