import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';

/** The document is made from the routes and their schemas; docs/openapi.json is its committed copy. */
export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const options = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Gangway')
    .setDescription('User onboarding at a wallet provider: mailed code, session, passkeys. Errors are RFC 9457 problems; switch on `code`.')
    .setVersion('1')
    .addBearerAuth()
    .build();
  return SwaggerModule.createDocument(app, options, {
    operationIdFactory: (_controller, method) => method,
    standardSchemaConverter: (schema, { schemaType }) => {
      if (!(schema instanceof z.ZodType)) return undefined;
      const { $schema: _, $defs = {}, ...converted } = z.toJSONSchema(schema, {
        target: 'draft-2020-12',
        io: schemaType,
        // An instant that arrives as text and is handed on as a Date is text to callers.
        unrepresentable: 'any',
      });
      return { schema: converted, components: $defs };
    },
  });
}

/** Serves the document at /openapi.json, and a page to browse it at /docs. */
export function serveDocs(app: NestFastifyApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), { jsonDocumentUrl: 'openapi.json', raw: ['json'] });
}
