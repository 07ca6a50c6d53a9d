// Says what is wrong with a value before it is sent. The API has the last word.

// A decimal text as a whole number of its smallest units.
function unitsOf(text, decimals) {
  const [whole, fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(decimals, "0"));
}

function checkMoney(field, value) {
  if (!/^-?\d+(\.\d+)?$/.test(value)) return "must be an amount like 25000.00";
  if (/^-/.test(value) || /^[0.]+$/.test(value)) return "must be greater than 0";
  const decimals = (field.minimum.split(".")[1] ?? "").length;
  if ((value.split(".")[1] ?? "").length > decimals) return `must have at most ${decimals} decimals`;
  if (field.maximum && unitsOf(value, decimals) > unitsOf(field.maximum, decimals))
    return `must be at most ${field.maximum}`;
  return "";
}

function checkWhole(field, value) {
  if (!/^-?\d{1,9}$/.test(value)) return "must be a whole number";
  if (field.minimum && Number(value) < Number(field.minimum)) return `must be at least ${field.minimum}`;
  if (field.maximum && Number(value) > Number(field.maximum)) return `must be at most ${field.maximum}`;
  return "";
}

function checkDate(field, value) {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(value)) return "must be a date like 1990-01-31";
  if (field.minimum && value < field.minimum) return `must be ${field.minimum} or later`;
  if (field.maximum && value > field.maximum) return `must be ${field.maximum} or earlier`;
  return "";
}

function checkPhone(field, value) {
  const digits = value.replace(/^\+/, "");
  const fits = /^\d+$/.test(digits) && digits.length >= field.min_length && digits.length <= field.max_length;
  return fits ? "" : `must be ${field.min_length} to ${field.max_length} digits, with the country's number`;
}

const BY_KIND = {
  money: checkMoney,
  whole: checkWhole,
  date: checkDate,
  phone: checkPhone,
  email: (_, value) => (/^[^@\s]+@[^@\s]+$/.test(value) ? "" : "must be an address like name@example.com"),
  id: (_, value) => (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value) ? "" : "must be an id"),
};

// What is wrong with a value of a field of a country's form; "" when nothing is.
export function check(field, value) {
  const given = value.trim();
  if (!given) return field.is_required ? "is required" : "";
  const wrong = BY_KIND[field.kind]?.(field, given) ?? "";
  if (wrong || field.kind === "phone") return wrong;
  if (field.min_length != null && given.length < field.min_length)
    return `must have at least ${field.min_length} characters`;
  if (field.max_length != null && given.length > field.max_length)
    return `must have at most ${field.max_length} characters`;
  return "";
}

// Whether a document's number looks as most do: numbers are also taken with spaces, dots and dashes.
export function looksRight(choice, value) {
  if (!choice?.pattern) return true;
  const whole = new RegExp(`^(?:${choice.pattern})$`, "i");
  return whole.test(value.trim()) || whole.test(value.replace(/[\s.-]/g, ""));
}
