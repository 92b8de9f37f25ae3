import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post, Req, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiKeys, CallerGuard, type Who } from '#libs/callers';
import { Answers, OpenTo } from './api-docs.decorator.js';
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

@ApiTags('administration')
@UseGuards(CallerGuard, RefuseIdempotencyKey)
@Controller('v1/admin/api-keys')
export class ApiKeysController {
  constructor(private readonly keys: ApiKeys) {}

  @Post()
  @OpenTo('admin')
  @ApiOperation({
    summary: 'Create an API key',
    description: 'The answer contains the token of the key. The service shows the token only once.',
  })
  @Answers(201, 'The key and its token.', madeApiKey, 'payload_too_large', 'unsupported_media_type')
  async createApiKey(@Body({ schema: createKeyBody }) body: CreateKeyBody, @Req() request: FastifyRequest) {
    const { caller, scopes, integrations = null, name = null, expiresInS } = body;
    const lifeMs = expiresInS === undefined ? null : expiresInS * 1_000;
    return toMadeKey(await this.keys.create({ caller, scopes, integrations, name, lifeMs }, whoIs(request)));
  }

  @Get()
  @OpenTo('admin')
  @ApiOperation({ summary: 'List API keys', description: 'All API keys, newest first, without tokens.' })
  @Answers(200, 'The keys.', apiKeyList)
  async listApiKeys() {
    return { items: (await this.keys.list()).map(toKeyResource) };
  }

  @Post(':id/rotate')
  @OpenTo('admin')
  @ApiOperation({
    summary: 'Rotate an API key',
    description: 'Creates a key with the same rights. The old key stays valid for `overlapS` seconds.',
  })
  @Answers(
    201,
    'The new key and its token.',
    madeApiKey,
    'illegal_state',
    'payload_too_large',
    'unsupported_media_type',
  )
  async rotateApiKey(
    @Param('id', { schema: keyIdParam }) id: string,
    @Body({ schema: rotateKeyBody }) { overlapS }: RotateKeyBody,
    @Req() request: FastifyRequest,
  ) {
    return toMadeKey(await this.keys.rotate(id, overlapS * 1_000, whoIs(request)));
  }

  @Post(':id/revoke')
  @HttpCode(HttpStatus.OK)
  @OpenTo('admin')
  @ApiOperation({
    summary: 'Revoke an API key',
    description: 'The key stays in the list, but is no longer valid.',
  })
  @Answers(200, 'The revoked key.', apiKeyResource, 'payload_too_large', 'unsupported_media_type')
  async revokeApiKey(@Param('id', { schema: keyIdParam }) id: string, @Req() request: FastifyRequest) {
    return toKeyResource(await this.keys.revoke(id, whoIs(request)));
  }
}

const whoIs = ({ caller, ip }: FastifyRequest): Who => ({ actor: `caller:${caller!.name}`, address: ip });
