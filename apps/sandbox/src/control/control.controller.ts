import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  ParseIntPipe,
  Post,
  Query,
  UseGuards,
  type PipeTransform,
} from '@nestjs/common';
import { z } from 'zod';
import { uuid } from '../byzantine/byzantine.dto.js';
import type { Subject } from '../byzantine/subjects.js';
import { emailAddress } from '../turnkey/otp.dto.js';
import { JsonBody } from '../json-body.pipe.js';
import { Refusal } from '../refusal.js';
import { BrowserGuard } from './browser.guard.js';
import { faultSpec } from './fault.dto.js';
import type { ParsedFaultSpec } from './fault.dto.js';
import type { Glance } from './glance.js';
import { SandboxControl } from './sandbox-control.js';

const subject = z.strictObject({ accountId: uuid, userId: uuid, email: emailAddress });
const turnkeySubject = z.strictObject({
  organizationId: uuid.optional(),
  userId: uuid.optional(),
  contact: z.union([emailAddress, z.e164()]),
});
const clockMove = z.strictObject({ advanceMs: z.int(), livesOnly: z.boolean().optional() });

const wholeNumber = new ParseIntPipe({
  optional: true,
  exceptionFactory: () => new Refusal(400, 'id: give a whole number'),
});

/** A parameter that is given twice arrives as a list. */
const once: PipeTransform<unknown, string | undefined> = {
  transform(value, { data }) {
    if (value === undefined || typeof value === 'string') return value;
    throw new Refusal(400, `${data}: give it once`);
  },
};

/** These routes need no key, because the sandbox runs only on developers' machines and in CI. */
@Controller('_sandbox')
@UseGuards(BrowserGuard)
export class ControlController {
  constructor(private readonly control: SandboxControl) {}

  @Post('reset')
  @HttpCode(204)
  reset(): void {
    this.control.reset();
  }

  @Post('subjects')
  addSubject(@Body(new JsonBody(subject)) body: Subject): Subject {
    this.control.addSubject(body);
    return body;
  }

  @Get('turnkey')
  turnkey(): object {
    return this.control.turnkeyFacts();
  }

  @Post('turnkey/subjects')
  addTurnkeySubject(@Body(new JsonBody(turnkeySubject)) body: z.output<typeof turnkeySubject>): object {
    return this.control.addTurnkeySubject(body);
  }

  @Get('mailbox')
  mailbox(
    @Query('email', once) email?: string,
    @Query('otpId', once) otpId?: string,
    @Query('contact', once) contact?: string,
  ): object[] {
    return this.control.mails({ email, otpId, contact });
  }

  @Post('faults')
  addFault(@Body(new JsonBody(faultSpec)) body: ParsedFaultSpec): object {
    return this.control.putFault(body);
  }

  @Get('faults')
  faults(): readonly object[] {
    return this.control.pendingFaults();
  }

  @Delete('faults')
  @HttpCode(204)
  removeFaults(@Query('id', wholeNumber) id?: number): void {
    this.control.removeFaults(id);
  }

  @Get('journal')
  journal(
    @Query('userId', once) userId?: string,
    @Query('route', once) route?: string,
    @Query('organizationId', once) organizationId?: string,
    @Query('contact', once) contact?: string,
  ): object[] {
    return this.control.requests({ userId, route, organizationId, contact });
  }

  @Get('glance')
  glance(@Query('address', once) address?: string, @Query('userId', once) userId?: string): Glance {
    return this.control.glance({ address, userId });
  }

  @Get('authenticators')
  authenticators(@Query('userId', once) userId?: string): object[] {
    return this.control.authenticators(userId);
  }

  @Post('clock')
  @HttpCode(200)
  advanceClock(@Body(new JsonBody(clockMove)) { advanceMs, livesOnly }: z.output<typeof clockMove>): object {
    if (!this.control.canAdvanceClock(advanceMs)) {
      throw new Refusal(400, 'advanceMs: the clock must stay between 1970 and 9999');
    }
    return this.control.advanceClock(advanceMs, livesOnly);
  }
}
