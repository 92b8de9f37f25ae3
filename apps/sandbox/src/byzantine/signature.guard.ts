import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { mediaTypes } from '#libs/kernel';
import { visitOf } from '../control/visits.js';
import { Refusal } from '../refusal.js';
import { errorTexts } from './error-texts.js';

/**
 * Lets a request pass whose signature headers are good, and whose key may do what it asks. A read-only key is
 * refused on every mutation before the body is looked at: upstream answers 403, not 400, to an empty body.
 */
@Injectable()
export class SignatureGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const verdict = visitOf(request)?.verdict;
    // A route that no hook has seen has no verdict; letting it pass would be an unsigned way in.
    if (!verdict) throw new Refusal(400, errorTexts.missingHeader('X-Pubkey'));
    if (verdict.refusal) throw verdict.refusal;
    if (request.method === 'GET') return true;

    if (verdict.key?.accessScope !== 'read_write') throw new Refusal(403, errorTexts.readOnly);
    if (mediaTypes(request.headers['content-type'])[0] !== 'application/json') {
      throw new Refusal(400, errorTexts.contentType);
    }
    return true;
  }
}
