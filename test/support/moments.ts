export interface Moments {
  until?: string | null;
  before?: string | null;
  notBefore?: string | null;
}

export const momentsOf = ({ nextAction }: { nextAction: object }): Moments => nextAction;
