import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post, Req, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiKeys, CallerGuard, Requires, type Who } from '#libs/callers';
import { Answers } from './api-docs.decorator.js';
import {
  apiKeyList,
  apiKeyResource,
  createKeyBody,
  keyIdParam,
  madeApiKey,
  rotateKeyBody,
  toKeyResource,
  toMadeKey,
  type CreateKeyBody,
  type RotateKeyBody,
} from './api-keys.dto.js';
import { RefuseIdempotencyKey } from './refuse-idempotency-key.guard.js';

/** The keys of callers, for whoever hands them out. */
@ApiTags('administration')
@UseGuards(CallerGuard, RefuseIdempotencyKey)
@Controller('v1/admin/api-keys')
export class ApiKeysController {
  constructor(private readonly keys: ApiKeys) {}

  @Post()
  @Requires('admin')
  @ApiOperation({ summary: 'Make an API key; its token is in this answer and nowhere else' })
  @Answers(201, 'the key and its token', madeApiKey, 'payload_too_large', 'unsupported_media_type')
  async createKey(@Body({ schema: createKeyBody }) body: CreateKeyBody, @Req() request: FastifyRequest) {
    const { caller, scopes, integrations = null, name = null, expiresInS } = body;
    const lifeMs = expiresInS === undefined ? null : expiresInS * 1_000;
    return toMadeKey(await this.keys.create({ caller, scopes, integrations, name, lifeMs }, whoIs(request)));
  }

  @Get()
  @Requires('admin')
  @ApiOperation({ summary: 'List all API keys, newest first' })
  @Answers(200, 'the keys, without what would open anything', apiKeyList)
  async listKeys() {
    return { items: (await this.keys.list()).map(toKeyResource) };
  }

  @Post(':id/rotate')
  @Requires('admin')
  @ApiOperation({ summary: 'Make another key with the same rights; the old one works on for a while' })
  @Answers(
    201,
    'the new key and its token',
    madeApiKey,
    'illegal_state',
    'payload_too_large',
    'unsupported_media_type',
  )
  async rotateKey(
    @Param('id', { schema: keyIdParam }) id: string,
    @Body({ schema: rotateKeyBody }) { overlapS }: RotateKeyBody,
    @Req() request: FastifyRequest,
  ) {
    return toMadeKey(await this.keys.rotate(id, overlapS * 1_000, whoIs(request)));
  }

  @Post(':id/revoke')
  @HttpCode(HttpStatus.OK)
  @Requires('admin')
  @ApiOperation({ summary: 'End an API key for good' })
  @Answers(200, 'the key, revoked', apiKeyResource, 'payload_too_large', 'unsupported_media_type')
  async revokeKey(@Param('id', { schema: keyIdParam }) id: string, @Req() request: FastifyRequest) {
    return toKeyResource(await this.keys.revoke(id, whoIs(request)));
  }
}

const whoIs = ({ caller, ip }: FastifyRequest): Who => ({ actor: `caller:${caller!.name}`, address: ip });
