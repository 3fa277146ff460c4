// What SheetJS shows of numbers by their formats, and the CSV that it makes of workbooks.
// In: {"formats": [[code, value], …], "workbooks": [path, …]}. Out: {"texts": [text or null, …], "csv": [text, …]}.
const fs = require("fs");
const XLSX = require("xlsx");

const given = JSON.parse(fs.readFileSync(0, "utf8"));

function shown(code, value) {
  try {
    return XLSX.SSF.format(code, value);
  } catch (error) {
    return null; // it does not know this format
  }
}

function csv(path) {
  const book = XLSX.readFile(path, { cellNF: true });
  return XLSX.utils.sheet_to_csv(book.Sheets[book.SheetNames[0]]);
}

console.log(
  JSON.stringify({
    texts: (given.formats || []).map(([code, value]) => shown(code, value)),
    csv: (given.workbooks || []).map(csv),
  }),
);
