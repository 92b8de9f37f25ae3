import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Metrics } from '#libs/platform';
import { newId, until } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
