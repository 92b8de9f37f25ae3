export { OtpModule } from './otp.module.js';
export { OtpService, type Start } from './otp.service.js';
