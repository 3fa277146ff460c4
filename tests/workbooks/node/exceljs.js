// Writes workbooks by ExcelJS.
// In: {"folder": path, "workbooks": [{"rows": [[cell, …], …], "stream": bool, "shared": bool, "date1904": bool}, …]},
// each cell null or {"value": text, number or boolean, or "date": days since 1970, "code": format}.
// Out: the paths of the files.
const fs = require("fs");
const path = require("path");
const ExcelJS = require("exceljs");

const given = JSON.parse(fs.readFileSync(0, "utf8"));

async function written(book, index) {
  const filename = path.join(given.folder, `${index}.xlsx`);
  const workbook = book.stream
    ? new ExcelJS.stream.xlsx.WorkbookWriter({ filename, useSharedStrings: book.shared, useStyles: true })
    : new ExcelJS.Workbook();
  workbook.properties = { date1904: book.date1904 };
  const sheet = workbook.addWorksheet("Tiendas");
  book.rows.forEach((cells, row) => {
    cells.forEach((cell, column) => {
      if (cell === null) return;
      const place = sheet.getCell(row + 1, column + 1);
      place.value = "date" in cell ? new Date(cell.date * 86400000) : cell.value;
      place.numFmt = cell.code;
    });
    if (book.stream) sheet.getRow(row + 1).commit();
  });
  if (book.stream) await workbook.commit();
  else await workbook.xlsx.writeFile(filename);
  return filename;
}

(async () => {
  const paths = [];
  for (const [index, book] of given.workbooks.entries()) paths.push(await written(book, index));
  console.log(JSON.stringify(paths));
})();
