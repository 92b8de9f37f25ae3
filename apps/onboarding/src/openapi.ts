import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { OWN_PAGES, SCRIPT_FILES, withPolicy } from '#libs/platform';
import { PROVIDERS } from '#libs/upstream';
import { toJsonSchema } from './json-schema.js';
import { errorsPage } from './error-list.js';
import { STYLESHEET } from './html.js';
import { headersOf } from './response-headers.js';
import { DOCS_SCRIPT, DOCS_STYLESHEET } from './docs-page.js';

const CLIENT_CUSTODY = `## Client custody

If the operators set an integration to client custody, the user's device holds the key of the session. Then
a caller does this:

1. Send \`POST /v1/onboardings\` with \`subject.organizationId\` and \`subject.userId\`. Both are required.
2. Pass \`otp.targetBundle\` of the answer to the device. The device makes a P-256 key pair, and encrypts
   the user's code and its public key to the bundle.
3. Send \`POST /v1/onboardings/{id}/otp/verify\` with \`encryptedOtpBundle\` instead of \`code\`. The answer
   has \`deviceSigning\`.
4. Send \`POST /v1/onboardings/{id}/authenticators/options\`. Pass the options and \`deviceSigning\` to the
   device, which creates the passkey and signs the provider's request.
5. Send \`POST /v1/onboardings/{id}/authenticators\` with \`device\` instead of \`authenticators\`.

In server custody, \`deviceSigning\` is null, and the service refuses \`encryptedOtpBundle\` and \`device\`
with \`not_supported\`. In client custody, it refuses \`code\` and
\`authenticators\`.`;

/** docs/openapi.json is the committed copy. */
export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const options = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Gangway')
    .setDescription(
      'User onboarding at a wallet provider: mailed code, session, passkeys. ' +
        'Errors are RFC 9457 problems. Programs must use `code`.\n\n' +
        'In requests, a member that is null is treated as if it were left out.\n\n' +
        CLIENT_CUSTODY,
    )
    .setVersion('1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/', 'This service')
    .addTag('onboardings', 'Onboard a user: send a code, check it, register passkeys.')
    .addTag(
      'operations',
      'Decide about onboardings that cannot continue by themselves, and pause integrations.',
    )
    .addTag('administration', 'Manage API keys.')
    .addBearerAuth({
      type: 'http',
      scheme: 'bearer',
      description:
        'An API key, or a JWT of a trusted issuer. Scopes: `onboardings:read` and `onboardings:write` for ' +
        'the caller’s own onboardings, `onboardings:erase` to erase them, `operations:read` to read those ' +
        'of all callers, `operations:write` also to cancel, resolve, retry and resend them, many ' +
        'at once, and to pause integrations, `admin` for API keys.',
    })
    .build();
  const document = SwaggerModule.createDocument(app, options, {
    operationIdFactory: (_controller, method) => method,
    standardSchemaConverter: (schema, { schemaType }) =>
      schema instanceof z.ZodType ? toJsonSchema(schema, schemaType) : undefined,
  });
  for (const path of Object.keys(document.paths)) if (!path.startsWith('/v1/')) delete document.paths[path];
  mend(document);
  // The retry rules of each provider are part of the API.
  const laws = Object.fromEntries(PROVIDERS.map(({ kind, law }) => [kind, law]));
  return Object.assign(document, { 'x-retry-safety': laws });
}

/** Corrects Swagger: some bodies are optional, and problems have their own media type (RFC 9457 §3). */
function mend(document: OpenAPIObject): void {
  for (const path of Object.values(document.paths)) {
    for (const operation of [path.get, path.post, path.delete]) {
      const body = operation?.requestBody;
      if (
        body &&
        'content' in body &&
        /#\/components\/schemas\/(?:Reason|ResendOtp)"/.test(JSON.stringify(body.content))
      ) {
        body.required = false;
      }
      const takes = new Set(
        operation?.parameters?.flatMap((each) => ('in' in each && each.in === 'header' ? [each.name] : [])),
      );
      for (const [status, response] of Object.entries(operation?.responses ?? {})) {
        if (!response || '$ref' in response) continue;
        const text = JSON.stringify(response.content ?? {});
        const isOnboarding = text.includes('#/components/schemas/Onboarding"');
        response.headers = headersOf({ status: Number(status), isOnboarding, takes });
        const { 'application/json': json } = response.content ?? {};
        if (json && /#\/components\/schemas\/\w+Problem"/.test(text)) {
          response.content = { 'application/problem+json': json };
        }
      }
    }
  }
}

const DOCS_STYLES = '/docs/gangway.css';
const SCRIPT = '/docs/gangway.js';
const PAGES: ReadonlySet<string> = new Set(['/docs', '/docs/', '/docs/index.html']);

/** The styles that Swagger UI's script writes into the page, for its logo. */
const WRITTEN_STYLES = ['.logo_small_svg__cls-2{fill:#fff}.logo_small_svg__cls-3{fill:#85ea2d}'];

/** Serves /openapi.json, its page (/docs) and the error list (/docs/errors). */
export function serveDocs(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  const errors = errorsPage();
  fastify.get('/docs/errors', async (_request: FastifyRequest, reply: FastifyReply) =>
    reply.type('text/html; charset=utf-8').header('Content-Security-Policy', OWN_PAGES).send(errors),
  );
  fastify.get('/docs/pages.css', async (_request: FastifyRequest, reply: FastifyReply) =>
    reply.type('text/css; charset=utf-8').send(STYLESHEET),
  );
  const serveFile = (path: string, type: string, text: string) =>
    fastify.get(path, async (_request: FastifyRequest, reply: FastifyReply) =>
      reply.type(`${type}; charset=utf-8`).header('Content-Security-Policy', SCRIPT_FILES).send(text),
    );
  serveFile(DOCS_STYLES, 'text/css', DOCS_STYLESHEET);
  serveFile(SCRIPT, 'text/javascript', DOCS_SCRIPT);
  fastify.addHook('onRoute', (route) => {
    if (!PAGES.has(route.url)) return;
    route.onSend = async (_request: FastifyRequest, reply: FastifyReply, page: unknown) =>
      typeof page === 'string' ? withPolicy(reply, page, WRITTEN_STYLES) : page;
  });
  SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Gangway API',
    customCssUrl: DOCS_STYLES,
    customJs: SCRIPT,
    // Swagger's validator would send this service's address to another company's server.
    swaggerOptions: { validatorUrl: null },
  });
}
