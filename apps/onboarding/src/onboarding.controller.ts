import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  HttpStatus,
  Param,
  Post,
  Query,
  Res,
  UseGuards,
} from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AuthenticatorsService, type SubmittedAuthenticator } from '#libs/authenticators';
import { CallerGuard } from '#libs/callers';
import { Secret, type Caller } from '#libs/kernel';
import { OnboardingLists, OnboardingService, type Terms } from '#libs/onboarding';
import { OtpService } from '#libs/otp';
import type { OtpProof } from '#libs/upstream';
import { StartGate } from './start-gate.js';
import { answer, answerDecision, answerStep } from './answer.js';
import {
  authenticatorsBody,
  optionsBody,
  type AuthenticatorsBody,
  type OptionsBody,
} from './authenticators.dto.js';
import { Answers, CommandAnswers, IfMatch, OpenTo, RunsStep } from './api-docs.decorator.js';
import { creationOptions } from './creation-options.dto.js';
import { AskedBy, CommandTerms } from './command.decorator.js';
import { Idempotent } from './idempotency.js';
import {
  eventPage,
  eventsQuery,
  idParam,
  listQuery,
  onboardingPage,
  onboardingResource,
  reasonBody,
  resendBody,
  resolveBody,
  retryBody,
  startBody,
  toEventResource,
  toResource,
  verifyBody,
  type EventsQuery,
  type ListQuery,
  type ReasonBody,
  type ResendBody,
  type ResolveBody,
  type RetryBody,
  type StartBody,
  type VerifyBody,
} from './onboarding.dto.js';

@ApiTags('onboardings')
@Idempotent()
@UseGuards(CallerGuard)
@Controller('v1/onboardings')
export class OnboardingController {
  constructor(
    private readonly onboardings: OnboardingService,
    private readonly lists: OnboardingLists,
    private readonly otp: OtpService,
    private readonly authenticators: AuthenticatorsService,
  ) {}

  @Post()
  @OpenTo('onboardings:write')
  @UseGuards(StartGate)
  @ApiOperation({
    summary: 'Start an onboarding',
    description:
      'Creates the onboarding and has the provider send a code to the subject. In client custody, ' +
      '`subject` must have both ids, and the device needs `otp.targetBundle` of the answer.',
  })
  @RunsStep()
  @CommandAnswers(
    201,
    'The code was sent.',
    onboardingResource,
    'onboarding_ended',
    'onboarding_live',
    'otp_send_limit',
    'otp_locked',
    'subject_not_found',
    'contact_invalid',
    'captcha_required',
    'upstream_rejected',
  )
  async startOnboarding(
    @Body({ schema: startBody }) body: StartBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answerStep(reply, await this.otp.start(body, terms));
  }

  @Get()
  @OpenTo('onboardings:read', 'operations:read', 'operations:write')
  @ApiOperation({
    summary: 'List onboardings',
    description:
      'Onboardings, newest first. A caller with `operations:read` sees the onboardings of all callers.',
  })
  @Answers(200, 'A page.', onboardingPage)
  async listOnboardings(
    @Query({ schema: listQuery }) { cursor, state: states, ...filter }: ListQuery,
    @AskedBy() caller: Caller,
  ) {
    const { rows, next } = await this.lists.list({ ...filter, states, after: cursor }, caller);
    return { items: rows.map(toResource), nextCursor: next && Buffer.from(next).toString('base64url') };
  }

  @Get(':id')
  @OpenTo('onboardings:read', 'operations:read', 'operations:write')
  @ApiOperation({
    summary: 'Read an onboarding',
    description: 'The state of the onboarding, what to do next, and how the last step ended.',
  })
  @Answers(200, 'The onboarding.', onboardingResource)
  async getOnboarding(
    @Param('id', { schema: idParam }) id: string,
    @AskedBy() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answer(reply, await this.onboardings.load(id, caller));
  }

  @Get(':id/events')
  @OpenTo('onboardings:read', 'operations:read', 'operations:write')
  @ApiOperation({
    summary: 'Read the timeline',
    description: 'The events of the onboarding, oldest first.',
  })
  @Answers(200, 'Events after the given number.', eventPage)
  async listEvents(
    @Param('id', { schema: idParam }) id: string,
    @Query({ schema: eventsQuery }) { after, limit }: EventsQuery,
    @AskedBy() caller: Caller,
  ) {
    const events = await this.onboardings.events(id, after, limit, caller);
    return { items: events.map(toEventResource) };
  }

  @Post(':id/otp/resend')
  @OpenTo('onboardings:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Ask for a new code',
    description:
      'Has the provider send a new code. The old code becomes invalid, unless the provider refuses to send.',
  })
  @RunsStep()
  @CommandAnswers(
    200,
    'The code was sent.',
    onboardingResource,
    'otp_resend_too_soon',
    'otp_send_limit',
    'otp_locked',
    'step_in_progress',
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
    'subject_not_found',
    'contact_invalid',
    'captcha_required',
    'upstream_rejected',
  )
  async resendOtp(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: resendBody }) body: ResendBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answerStep(reply, await this.otp.resend(id, body ?? {}, terms));
  }

  @Post(':id/otp/verify')
  @OpenTo('onboardings:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Verify the code',
    description:
      'Exchanges the code for a session at the provider. In client custody, send `encryptedOtpBundle` ' +
      'instead of `code`. The answer then has `deviceSigning`, which the device needs for step 3.',
  })
  @RunsStep()
  @CommandAnswers(
    200,
    'The session is open.',
    onboardingResource,
    'otp_invalid',
    'otp_expired',
    'session_expired',
    'otp_locked',
    'step_in_progress',
    'outcome_unknown',
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
    'subject_not_found',
    'contact_invalid',
    'upstream_rejected',
  )
  async verifyOtp(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: verifyBody }) { code, encryptedOtpBundle }: VerifyBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const proof: OtpProof =
      code === undefined
        ? { type: 'encrypted-code', encryptedOtpBundle: encryptedOtpBundle! }
        : { type: 'code', code: new Secret(code) };
    return answerStep(reply, await this.otp.verify(id, proof, terms));
  }

  @Post(':id/authenticators/options')
  @OpenTo('onboardings:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Get options for a passkey',
    description: 'Returns options for `navigator.credentials.create`, with a new challenge for one passkey.',
  })
  @CommandAnswers(
    200,
    'The options.',
    creationOptions,
    'attestation_invalid',
    'otp_expired',
    'session_expired',
    'illegal_state',
    'step_in_progress',
    'outcome_unknown',
    'onboarding_ended',
    'version_mismatch',
  )
  createPasskeyOptions(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: optionsBody }) body: OptionsBody,
    @CommandTerms() terms: Terms,
  ) {
    return this.authenticators.options(id, body, terms);
  }

  @Post(':id/authenticators')
  @OpenTo('onboardings:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Register passkeys',
    description:
      'Checks 1 to 10 passkeys and registers them at the provider. ' +
      'If this succeeds, the onboarding is completed. In client custody, send `device` instead of ' +
      '`authenticators`: the request that the user’s device has signed.',
  })
  @RunsStep()
  @CommandAnswers(
    200,
    'The onboarding is completed.',
    onboardingResource,
    'attestation_invalid',
    'otp_expired',
    'session_expired',
    'step_in_progress',
    'outcome_unknown',
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
    'upstream_rejected',
  )
  async registerAuthenticators(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: authenticatorsBody }) body: AuthenticatorsBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const submitted = body.device
      ? { device: body.device }
      : { authenticators: body.authenticators as SubmittedAuthenticator[] };
    return answerStep(reply, await this.authenticators.submit(id, submitted, terms));
  }

  @Post(':id/cancel')
  @OpenTo('onboardings:write', 'operations:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Cancel an onboarding',
    description: 'Ends the onboarding immediately, without waiting for a call that is under way.',
  })
  @CommandAnswers(
    200,
    'The onboarding is cancelled.',
    onboardingResource,
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
  )
  async cancelOnboarding(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: reasonBody }) body: ReasonBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answer(reply, await this.onboardings.cancel(id, body?.reason, terms));
  }

  @Delete(':id')
  @OpenTo('onboardings:erase')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Erase an onboarding',
    description:
      'Erases the personal data of the onboarding. If the onboarding is still open, this also cancels it.',
  })
  @IfMatch()
  @Answers(
    204,
    'The onboarding is erased.',
    null,
    'illegal_state',
    'version_mismatch',
    'payload_too_large',
    'unsupported_media_type',
  )
  async eraseOnboarding(
    @Param('id', { schema: idParam }) id: string,
    @CommandTerms() terms: Terms,
  ): Promise<void> {
    await this.onboardings.erase(id, terms);
  }

  @Post(':id/resolve')
  @ApiTags('operations')
  @OpenTo('onboardings:write', 'operations:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Decide a lost outcome',
    description:
      'Says whether the call whose answer was lost took effect. After a lost verification, `not_done` ' +
      'sends a new code at once. `done` is refused with `outcome_unknown`: the session is lost too. ' +
      'After a lost registration, `done` completes the onboarding without the ids of its authenticators, ' +
      'and `not_done` returns to the session. The first decision stands.',
  })
  @RunsStep()
  @CommandAnswers(
    200,
    'The onboarding continues.',
    onboardingResource,
    'step_in_progress',
    'outcome_unknown',
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
    'otp_send_limit',
    'otp_locked',
  )
  async resolveOutcome(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: resolveBody }) body: ResolveBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answerDecision(reply, await this.onboardings.resolve(id, body, terms));
  }

  @Post(':id/retry')
  @ApiTags('operations')
  @OpenTo('operations:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Try a step now',
    description: 'Starts the next try of a step immediately, if the step waits for a retry or is parked.',
  })
  @CommandAnswers(
    200,
    'The step is due.',
    onboardingResource,
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
  )
  async retryStep(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: retryBody }) body: RetryBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answer(reply, await this.onboardings.retry(id, body.reason, terms));
  }
}
