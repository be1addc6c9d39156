# Category-free NRI and IDI: Hmisc::improveProb.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages(library(Hmisc))
d <- clinical_table()
exact <- glm.control(epsilon = 1e-14, maxit = 100)
old <- fitted(glm(fracture ~ age + vbmd, binomial, d, control = exact))
new <- fitted(glm(fracture ~ age + vbmd + rad_score, binomial, d, control = exact))
# Some without any change.
new[seq(1, nrow(d), 7)] <- old[seq(1, nrow(d), 7)]
r <- improveProb(old, new, d$fracture)
put("old", old)
put("new", new)
for (name in c("nri", "nri.ev", "nri.ne", "idi"))
  put(gsub(".", "_", name, fixed = TRUE),
      c(r[[name]], r[[paste0("se.", name)]], r[[paste0("z.", name)]]))
put("p", 2 * pnorm(-abs(c(r$z.nri, r$z.nri.ev, r$z.nri.ne, r$z.idi))))
put("idi_parts", c(r$improveSens, r$improveSpec))
finish("Hmisc")
