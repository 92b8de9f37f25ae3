import { ConfigurableModuleBuilder, Module } from '@nestjs/common';
import { KeyRing, openKeyRing, type KeyRingOptions } from './key-ring.js';

/** `isGlobal: true` spares modules that sign from importing this one again. */
const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<KeyRingOptions>()
  .setClassMethodName('forRoot')
  .setExtras({ isGlobal: false }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
  .build();

/**
 * Provides the {@link KeyRing}: `forRoot({ engine, keys })`, or `forRootAsync({ inject, useFactory })` where the
 * keys come from an injected configuration. A bad key stops the boot with an `InvalidKeyError` or a `RemoteKeyError`.
 */
@Module({
  providers: [{ provide: KeyRing, inject: [MODULE_OPTIONS_TOKEN], useFactory: openKeyRing }],
  exports: [KeyRing],
})
export class SigningModule extends ConfigurableModuleClass {}
