# Shared by the scripts: where tables are, and how numbers are kept.
# Each script writes expected/<script>.tsv, or into the folder given as its argument.
call <- commandArgs()
script <- normalizePath(sub("^--file=", "", grep("^--file=", call, value = TRUE)[1]))
here <- dirname(script)
given <- commandArgs(trailingOnly = TRUE)
folder <- if (length(given)) given[1] else file.path(here, "expected")
kept <- character()

table_of <- function(name) read.delim(file.path(here, "tables", paste0(name, ".tsv")))

clinical_table <- function() {
  d <- table_of("clinical")
  d$sex <- factor(d$sex, c("female", "male"))
  d$grade <- factor(d$grade, c("mild", "moderate", "none"))
  d
}

# Numbers under a name, matrices column by column.
put <- function(quantity, values) {
  values <- as.numeric(values)
  kept <<- c(kept, paste(quantity, seq_along(values), sprintf("%.15g", values), sep = "\t"))
}

finish <- function(packages = character()) {
  head <- paste("#", R.version.string)
  for (name in packages) head <- c(head, paste("#", name, packageVersion(name)))
  lines <- c(head, "quantity\tposition\tvalue", kept)
  writeLines(lines, file.path(folder, sub("[.]R$", ".tsv", basename(script))))
}
