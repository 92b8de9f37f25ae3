import { createDataSource, parseMigrationUrl } from '#libs/database';

/** For `typeorm migration:show -d dist/tools/data-source.js`. */
export default createDataSource({ url: parseMigrationUrl(process.env) });
