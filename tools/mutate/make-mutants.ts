import ts from 'typescript'

/** One small change to a source file that some test should notice. */
export interface Mutant {
  readonly file: string
  readonly line: number
  /** What was there, and what is there instead. */
  readonly before: string
  readonly after: string
  /** The whole file with the change. */
  readonly source: string
}

interface Change {
  readonly node: ts.Node
  readonly after: string
}

const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  '===': ['!=='],
  '!==': ['==='],
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '&&': ['||'],
  '||': ['&&'],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '&': ['|'],
  '|': ['&'],
}
const METHODS: Readonly<Record<string, string>> = {
  some: 'every',
  every: 'some',
  startsWith: 'endsWith',
  endsWith: 'startsWith',
  find: 'findLast',
}
const SHOWN_CHARS = 60

/** Every mutant of a file: operators, conditions, literals, methods, statements left out. Types are left alone. Pure. */
export function mutantsOf(file: string, source: string): readonly Mutant[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true)
  return changesIn(tree).map(({ node, after }) => {
    const [start, end] = [node.getStart(tree), node.getEnd()]
    return {
      file,
      line: tree.getLineAndCharacterOfPosition(start).line + 1,
      before: shorten(source.slice(start, end)),
      after: shorten(after),
      source: source.slice(0, start) + after + source.slice(end),
    }
  })
}

function changesIn(node: ts.Node): readonly Change[] {
  if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return []
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return []
  const changes: Change[] = [...changesOf(node)]
  ts.forEachChild(node, (child) => void changes.push(...changesIn(child)))
  return changes
}

function changesOf(node: ts.Node): readonly Change[] {
  const to = (...texts: readonly string[]): readonly Change[] => texts.map((after) => ({ node, after }))
  if (ts.isBinaryExpression(node)) return ofOperator(node)
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken)
    return to(`(${node.operand.getText()})`)
  if (ts.isConditionalExpression(node))
    return [true, false].map((value) => ({ node: node.condition, after: String(value) }))
  if (ts.isIfStatement(node))
    return [true, false].map((value) => ({ node: node.expression, after: String(value) }))
  if (ts.isPropertyAccessExpression(node) && ts.isCallExpression(node.parent)) return ofMethod(node)
  if (ts.isExpressionStatement(node) || ts.isContinueStatement(node)) return to(';')
  return ofLiteral(node)
}

function ofOperator(node: ts.BinaryExpression): readonly Change[] {
  const [left, operator, right] = [node.left.getText(), node.operatorToken.getText(), node.right.getText()]
  if (operator === '??') return [left, right].map((after) => ({ node, after: `(${after})` }))
  return (OPERATORS[operator] ?? []).map((after) => ({ node: node.operatorToken, after }))
}

function ofMethod(node: ts.PropertyAccessExpression): readonly Change[] {
  const other = Object.hasOwn(METHODS, node.name.text) ? METHODS[node.name.text] : undefined
  if (other !== undefined) return [{ node: node.name, after: other }]
  if (node.name.text === 'filter') return [{ node: node.parent, after: `(${node.expression.getText()})` }]
  return []
}

function ofLiteral(node: ts.Node): readonly Change[] {
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [{ node, after: 'false' }]
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [{ node, after: 'true' }]
  if (ts.isNumericLiteral(node)) return [{ node, after: String(Number(node.text) + 1) }]
  if (ts.isStringLiteral(node) || ts.isTemplateExpression(node))
    return [{ node, after: node.getText().length === 2 ? "'mutant'" : "''" }]
  if (ts.isArrayLiteralExpression(node) && node.elements.length > 0) return [{ node, after: '[]' }]
  return []
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > SHOWN_CHARS ? `${line.slice(0, SHOWN_CHARS)}…` : line
}
