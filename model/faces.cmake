# strata_model: filled by the faces
