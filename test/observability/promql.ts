/** A metric in an expression, with the labels that select its series. */
export interface Use {
  metric: string;
  labels: string[];
}

/** Finds fixed label values, such as `b` in `m{a="b"}`. */
export function fixedSelectors(expr: string): { metric: string; label: string; value: string }[] {
  return [...expr.matchAll(/([a-zA-Z_:][\w:]*)\{([^}]*)\}/g)].flatMap(([, metric = '', matchers = '']) =>
    [...matchers.matchAll(/(\w+)="([^"$]+)"/g)].map(([, label = '', value = '']) => ({
      metric,
      label,
      value,
    })),
  );
}

const WORDS = new Set([
  'and',
  'or',
  'unless',
  'offset',
  'bool',
  'on',
  'ignoring',
  'by',
  'without',
  'inf',
  'nan',
]);
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;

/** Finds the metrics and labels in an expression, which may contain Grafana's variables. */
export function readPromql(expr: string): { uses: Use[]; grouping: string[] } {
  const grouping: string[] = [];
  const rest = expr
    .replaceAll(/"[^"]*"|'[^']*'/g, '""')
    .replaceAll(GROUPING, (_, labels: string) => {
      grouping.push(
        ...labels
          .split(',')
          .map((label) => label.trim())
          .filter(Boolean),
      );
      return ' ';
    })
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/\boffset\s+\w+/g, ' ');
  const uses = [...rest.matchAll(/([a-zA-Z_:][\w:]*)(\{[^}]*\})?(\s*\()?/g)]
    .filter(([, name = '', , call]) => call === undefined && !WORDS.has(name.toLowerCase()))
    .map(([, metric = '', matchers = '']) => ({
      metric,
      labels: [...matchers.matchAll(/(\w+)\s*(?:=|!)/g)].map(([, label = '']) => label),
    }));
  return { uses, grouping };
}
