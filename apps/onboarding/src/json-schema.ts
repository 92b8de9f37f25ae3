import { z } from 'zod';
import { PROVIDERS } from '#libs/upstream';
import { BY_PROVIDER, EXACTLY_ONE, EXAMPLE } from './schema-marks.js';

type JsonSchema = z.core.JSONSchema.BaseSchema;

export interface Converted {
  schema: JsonSchema;
  /** The named schemas to which the schema refers. */
  components: Record<string, JsonSchema>;
}

/** @param io `input` for a request, `output` for an answer. */
export function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): Converted {
  const components: Record<string, JsonSchema> = {};
  const {
    $schema: _,
    $defs = {},
    ...converted
  } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    // The zod schema turns an instant into a Date, which JSON Schema cannot express.
    unrepresentable: 'any',
    override: (at) => {
      mend(at.zodSchema, at.jsonSchema, components);
    },
  });
  return { schema: converted, components: Object.assign(components, $defs as typeof components) };
}

function mend(schema: z.core.$ZodTypes, json: JsonSchema, components: Record<string, JsonSchema>): void {
  // Client generators would use zod's bounds of safe integers as example values.
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
  // Client generators fail to make an example from the pattern.
  if (json.format === 'date-time') delete json.pattern;
  if (schema instanceof z.ZodDiscriminatedUnion) json['discriminator'] = discriminatorOf(schema);
  if (json[EXAMPLE]) {
    json.examples = [json[EXAMPLE]];
    delete json[EXAMPLE];
  }
  if (json[EXACTLY_ONE]) exactlyOne(json);
  if (json[BY_PROVIDER]) byProvider(json, components);
}

/** Maps each value of the discriminator to its schema (OpenAPI 3.1 §4.8.25). */
function discriminatorOf({ def }: z.ZodDiscriminatedUnion) {
  const { discriminator: propertyName } = def;
  const mapping: Record<string, string> = {};
  for (const option of def.options as z.ZodObject[]) {
    const { value } = option.shape[propertyName] as z.ZodLiteral<string>;
    mapping[value] = `#/components/schemas/${option.meta()?.id}`;
  }
  return { propertyName, mapping };
}

/** Client generators know no other way to require exactly one of two members. */
function exactlyOne(json: JsonSchema): void {
  const names = json[EXACTLY_ONE] as string[];
  const { properties = {}, additionalProperties = false } = json;
  json.description = `Exactly one of ${names.join(' and ')}. The service also takes null for the other one.`;
  json.oneOf = names.map((name) => ({
    type: 'object',
    properties: { [name]: withoutNull(properties[name] as JsonSchema) },
    required: [name],
    additionalProperties,
  }));
  for (const member of [EXACTLY_ONE, 'type', 'properties', 'required', 'additionalProperties'])
    delete json[member];
}

const withoutNull = ({ anyOf, ...json }: JsonSchema): JsonSchema => {
  const kinds = anyOf?.filter((each) => (each as JsonSchema).type !== 'null') as JsonSchema[] | undefined;
  return kinds?.length === 1 ? { ...json, ...kinds[0] } : { ...json, ...(kinds && { anyOf: kinds }) };
};

/**
 * Replaces the schema of a body's member by one schema for each provider. The options of a resend are the
 * same for all providers.
 */
function byProvider(json: JsonSchema, components: Record<string, JsonSchema>): void {
  const member = json[BY_PROVIDER] as 'subject' | 'otp' | 'resend';
  if (member === 'resend') {
    delete json[BY_PROVIDER];
    delete json.anyOf;
    const captchaToken = { type: 'string', minLength: 1, maxLength: 4096 } as const;
    Object.assign(json, {
      type: ['object', 'null'],
      properties: { captchaToken },
      additionalProperties: false,
    });
    return;
  }
  const schemas = new Set(PROVIDERS.map(({ schemas: of }) => of[member]).filter((each) => each !== null));
  const refs: JsonSchema[] = [];
  for (const schema of schemas) {
    const { id } = schema.meta()!;
    Object.assign(components, toJsonSchema(schema, 'input').components);
    refs.push({ $ref: `#/components/schemas/${id}` });
  }
  const { description, examples } = json;
  for (const key of Object.keys(json)) delete json[key];
  // A subject fits exactly one provider (oneOf). Options of a code may fit several providers (anyOf).
  Object.assign(json, description && { description }, examples && { examples }, {
    [member === 'subject' ? 'oneOf' : 'anyOf']: member === 'subject' ? refs : [...refs, { type: 'null' }],
  });
}
