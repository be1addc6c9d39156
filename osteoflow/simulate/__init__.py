"""Digital reference objects and a simulated DICOM cohort."""
