import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Metrics } from '#libs/platform';
import { poolOf } from './prepared-statements.js';

/** Named by OpenTelemetry's semantic conventions. */
@Injectable()
export class DatabaseMetrics {
  constructor(@InjectDataSource() dataSource: DataSource, metrics: Metrics) {
    const pool = () => poolOf(dataSource);
    metrics.gauge('db_client_connection_count', () => {
      const { totalCount, idleCount } = pool();
      const counts = { used: totalCount - idleCount, idle: idleCount };
      return Object.entries(counts).map(([state, value]) => ({
        labels: { db_client_connection_state: state },
        value,
      }));
    });
    metrics.gauge('db_client_connection_max', () => pool().options.max);
    metrics.gauge('db_client_connection_pending_requests', () => pool().waitingCount);
  }
}
