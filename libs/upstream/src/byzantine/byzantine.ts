import { z } from 'zod';
import { defineProvider } from '../define-provider.js';
import { ByzantineProvider } from './byzantine.provider.js';

export const byzantine = defineProvider({
  kind: 'byzantine',
  signs: true,
  settings: z.object({}),
  limitsSignatureAge: true,
  create: (integration, { keys, http, clock, skew }) =>
    new ByzantineProvider(integration, keys, http, clock, skew),
});
