import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { mediaTypes } from '#libs/kernel';
import { visitOf } from '../control/visits.js';
import { Refusal } from '../refusal.js';
import { errorTexts } from './error-texts.js';

/**
 * Runs before the body is read: if a read-only key has signed a POST, Byzantine answers 403, not 400, even to
 * an empty body.
 */
@Injectable()
export class SignatureGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const verdict = visitOf(request)?.verdict;
    // No hook has checked the signature.
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
