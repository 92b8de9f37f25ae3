import { createDataSource } from '#libs/database';
import { Plain } from './console.js';

const url = process.env['DATABASE_URL'];
if (!url) throw new Plain('DATABASE_URL is not set: which database is TypeORM to look at?');

/** For TypeORM's command line: `typeorm migration:show -d dist/tools/data-source.js`. */
export default createDataSource({ url });
